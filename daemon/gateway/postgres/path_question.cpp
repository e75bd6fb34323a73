#include "daemon/gateway/postgres/path_question.h"

#include <algorithm>
#include <utility>

#include "daemon/gateway/postgres/upstream_login.h"
#include "parsers/bytes.h"
#include "parsers/postgres/backend.h"
#include "parsers/postgres/build.h"

namespace clawpatrol::postgres {
namespace {

constexpr std::string_view no_role = "none";

}  // namespace

// Nothing in them has a name that a path could give another meaning. A walsender answers SHOW, too; what it
// does not answer is taken for the worst.
std::string PathQuestion::text() {
  std::string out;
  append_query(out, "SHOW search_path");
  append_query(out, "SHOW role");
  append_query(
      out, "SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname OPERATOR(pg_catalog.=) CURRENT_USER");
  return out;
}

PathQuestion::State PathQuestion::take(const Frame& frame) {
  switch (frame.type) {
    case 'D': return row(frame.body);
    case 'Z': {
      auto status = read_ready(frame.body);
      if (!status || *status != 'I') return State::failed;
      now_ = static_cast<Asked>(std::to_underlying(now_) + 1);
      return now_ == Asked::end ? State::answered : State::going_on;
    }
    case 'E': {
      auto error = read_error(frame.body);
      return error && !error->is_fatal() ? State::going_on : State::failed;
    }
    case 'S': {  // the server's configuration may be read again at any time
      auto status = read_parameter_status(frame.body);
      return status && is_safe_report(status->name, status->value) ? State::going_on : State::failed;
    }
    case 'C':
      if (now_ == Asked::own_schema && frame.body == std::string_view("SELECT 0\0", 9))
        own_schema_ = OwnSchema::missing;
      return State::going_on;
    case 'T':
    case 'N': return State::going_on;
    default: return State::failed;
  }
}

PathQuestion::State PathQuestion::row(std::string_view body) {
  Reader reader(body);
  if (reader.u16() != 1) return State::failed;
  const std::uint32_t size = reader.u32();
  const std::string_view value = reader.bytes(size);
  if (!reader.complete()) return State::failed;
  if (now_ == Asked::search_path) path_ = std::string(value);
  if (now_ == Asked::role) role_ = std::string(value);
  return State::going_on;
}

sql::SearchPathPointer PathQuestion::path(const std::string& user) const {
  if (!path_ || !role_) {
    sql::SearchPath unknown = sql::path_of(nullptr);
    unknown.certain = false;
    return std::make_shared<const sql::SearchPath>(std::move(unknown));
  }
  sql::PathEffect effect = sql::path_from_text(*path_);
  if (effect.kind == sql::PathEffect::Kind::uncertain) effect.path.certain = false;
  if (own_schema_ == OwnSchema::missing && *role_ == no_role)
    std::erase(effect.path.schemas, sql::user_schema);
  const bool own = std::ranges::find(effect.path.schemas, sql::user_schema) != effect.path.schemas.end();
  std::ranges::replace(effect.path.schemas, sql::user_schema, *role_ == no_role ? user : *role_);
  // What SET ROLE NONE and DISCARD ALL go back to.
  if (own && *role_ != no_role) effect.path = sql::united(effect.path, {.schemas = {user}});
  if (effect.path == sql::path_of(nullptr)) return nullptr;
  return std::make_shared<const sql::SearchPath>(std::move(effect.path));
}

}  // namespace clawpatrol::postgres
