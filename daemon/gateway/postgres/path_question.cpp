#include "daemon/gateway/postgres/path_question.h"

#include <algorithm>

#include "daemon/gateway/postgres/upstream_login.h"
#include "parsers/bytes.h"
#include "parsers/postgres/backend.h"
#include "parsers/postgres/build.h"

namespace clawpatrol::postgres {
namespace {

constexpr std::string_view default_path = "\"$user\", public";
constexpr std::string_view no_role = "none";

}  // namespace

// SHOW calls no function that somebody could have replaced, and a walsender answers it, too.
std::string PathQuestion::text() {
  std::string out;
  append_query(out, "SHOW search_path");
  append_query(out, "SHOW role");
  return out;
}

PathQuestion::State PathQuestion::take(const Frame& frame) {
  switch (frame.type) {
    case 'D': return row(frame.body);
    case 'Z': {
      auto status = read_ready(frame.body);
      if (!status || *status != 'I') return State::failed;
      now_ = now_ == Setting::search_path ? Setting::role : Setting::end;
      return now_ == Setting::end ? State::answered : State::going_on;
    }
    case 'E': {
      auto error = read_error(frame.body);
      return error && !error->is_fatal() ? State::going_on : State::failed;
    }
    case 'S': {  // the server's configuration may be read again at any time
      auto status = read_parameter_status(frame.body);
      return status && is_safe_report(status->name, status->value) ? State::going_on : State::failed;
    }
    case 'T':
    case 'C':
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
  (now_ == Setting::search_path ? path_ : role_) = std::string(value);
  return State::going_on;
}

sql::SearchPathPointer PathQuestion::path(const std::string& user) const {
  if (!path_ || !role_) {
    sql::SearchPath unknown = sql::path_of(nullptr);
    unknown.certain = false;
    return std::make_shared<const sql::SearchPath>(std::move(unknown));
  }
  if (*path_ == default_path && *role_ == no_role) return nullptr;
  sql::PathEffect effect = sql::path_from_text(*path_);
  if (effect.kind == sql::PathEffect::Kind::uncertain) effect.path.certain = false;
  std::ranges::replace(effect.path.schemas, sql::user_schema, *role_ == no_role ? user : *role_);
  return std::make_shared<const sql::SearchPath>(std::move(effect.path));
}

}  // namespace clawpatrol::postgres
