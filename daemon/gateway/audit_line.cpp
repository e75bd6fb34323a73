#include "daemon/gateway/audit_line.h"

#include <openssl/evp.h>

#include <charconv>
#include <cstdlib>

#include "daemon/audit/log.h"

namespace clawpatrol {
namespace {

void number(std::string& out, std::int64_t value) {
  char text[24];
  auto end = std::to_chars(text, text + sizeof text, value).ptr;
  out.append(text, end);
}

// Starts a member: `,"name":`, without the comma where it is the first.
void member(std::string& out, std::string_view name) {
  if (!out.empty() && out.back() != '{') out.push_back(',');
  out.push_back('"');
  out += name;
  out += "\":";
}

void text(std::string& out, std::string_view name, std::string_view value) {
  member(out, name);
  audit::append_json_string(out, value);
}

void text_facet(std::string& out, std::string_view name, const Facet<std::string>& facet) {
  if (facet) text(out, name, *facet);
}

// A list is cut where it would make the line a burden; the digest of the statement still says which it was.
constexpr std::size_t most_items = 64;

// Names of lists, such as the members `open` and `cut` hold.
void add_name(std::string& names, std::string_view name) {
  if (!names.empty()) names.push_back(',');
  names.push_back('"');
  names += name;
  names.push_back('"');
}

struct ListsSaid {
  std::string open, cut;
};

void list_facet(std::string& out, std::string_view name, const Facet<NameList>& facet, ListsSaid& said) {
  if (!facet) return;
  if (facet->open) add_name(said.open, name);
  if (facet->items.empty()) return;
  member(out, name);
  out.push_back('[');
  std::size_t count = 0;
  bool whole = true;
  for (const std::string& item : facet->items) {
    const std::string_view excerpt = std::string_view(item).substr(0, longest_excerpt);
    if (count == most_items || out.size() + excerpt.size() > longest_facets) {
      whole = false;
      break;
    }
    if (count++ > 0) out.push_back(',');
    audit::append_json_string(out, excerpt);
    whole &= excerpt.size() == item.size();
  }
  out.push_back(']');
  if (!whole) add_name(said.cut, name);
}

// One text for each list of values: N for NULL, else the length and the bytes.
std::string digest_of(const SqlParams::Value& values) {
  std::string text;
  for (const auto& value : values) {
    if (value)
      text.append(std::to_string(value->size())).append(":").append(*value);
    else
      text += "N";
  }
  return sha256_hex(text);
}

void statement_facet(std::string& out, const Facet<std::string>& facet) {
  if (!facet) return;
  if (facet->size() <= longest_text_in_line) return text(out, "statement", *facet);
  text(out, "statement_begins", std::string_view(*facet).substr(0, longest_excerpt));
  text(out, "statement_sha256", sha256_hex(*facet));
}

}  // namespace

std::string sha256_hex(std::string_view bytes) {
  unsigned char digest[32];
  if (!EVP_Digest(bytes.data(), bytes.size(), digest, nullptr, EVP_sha256(), nullptr)) std::abort();
  static constexpr char digits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(64);
  for (unsigned char byte : digest) hex += {digits[byte >> 4], digits[byte & 15]};
  return hex;
}

std::string facets_json(const SqlFacets& facets) {
  std::string out;
  ListsSaid said;
  out.reserve(512);
  statement_facet(out, facets.statement);
  if (!facets.statement) text(out, "statement_unknown", name_of(facets.statement.why()));
  text_facet(out, "verb", facets.verb);
  if (!facets.verb) text(out, "unknown", name_of(facets.verb.why()));
  list_facet(out, "verbs", facets.verbs, said);
  list_facet(out, "tables", facets.tables, said);
  list_facet(out, "reads", facets.reads, said);
  list_facet(out, "writes", facets.writes, said);
  list_facet(out, "functions", facets.functions, said);
  list_facet(out, "classes", facets.classes, said);
  if (facets.unbounded && *facets.unbounded) member(out, "unbounded"), out += "true";
  if (facets.copy && !facets.copy->direction.empty()) {
    text(out, "copy", facets.copy->direction + " " + facets.copy->target);
  }
  if (facets.statements && *facets.statements != 1)
    member(out, "statements"), number(out, *facets.statements);
  if (!said.open.empty()) member(out, "open"), out += "[" + said.open + "]";
  if (!said.cut.empty()) member(out, "cut"), out += "[" + said.cut + "]";
  return out;
}

std::string params_json(const SqlParams& params) {
  std::string out;
  if (!params || params->empty()) return out;
  member(out, "params");
  out.push_back('[');
  std::size_t count = 0, bytes = 0;
  bool whole = true;
  for (const auto& value : *params) {
    const std::string_view excerpt = (value ? std::string_view(*value) : "").substr(0, longest_excerpt);
    if (count == most_items || bytes + excerpt.size() > longest_params) {
      whole = false;
      break;
    }
    bytes += excerpt.size();
    if (count++ > 0) out.push_back(',');
    if (value)
      audit::append_json_string(out, excerpt);
    else
      out += "null";
    whole &= !value || excerpt.size() == value->size();
  }
  out.push_back(']');
  if (whole) return out;
  member(out, "params_count"), number(out, static_cast<std::int64_t>(params->size()));
  text(out, "params_sha256", digest_of(*params));
  return out;
}

AuditLines::AuditLines(const FlowFacets& flow, std::uint64_t flow_id) {
  member(constant_, "flow"), number(constant_, static_cast<std::int64_t>(flow_id));
  text(constant_, "peer", flow.peer.name);
  text(constant_, "profile", flow.peer.profile);
  text(constant_, "address", flow.peer.address);
  text(constant_, "endpoint", flow.endpoint.name);
  text(constant_, "dest", flow.dest.host + ":" + std::to_string(flow.dest.port));
  text(constant_, "credential", flow.credential);
  if (!flow.sql) return;
  text(session_, "database", flow.sql->database);
  text(session_, "user", flow.sql->user);
  text(session_, "declared_user", flow.sql->declared_user);
}

std::string AuditLines::action(const ActionRecord& record, std::string_view facets,
                               std::string_view params) const {
  std::string out;
  out.reserve(constant_.size() + facets.size() + params.size() + session_.size() + record.reason.size() +
              320);
  member(out, "time");
  audit::append_json_time(out, record.time_unix_ns);
  text(out, "id", action_id_text(record.id));
  if (record.parent) text(out, "parent", action_id_text(record.parent));
  out.push_back(',');
  out += constant_;
  text(out, "type", name_of(record.type));
  text(out, "kind", name_of(record.kind));
  text(out, "verdict", name_of(record.verdict));
  text(out, "rule", record.rule_name());
  if (!record.reason.empty()) text(out, "reason", record.reason);
  if (!record.guard.empty()) text(out, "guard", record.guard);
  member(out, "generation"), number(out, static_cast<std::int64_t>(record.generation()));
  const bool summary = record.evidence == ActionRecord::Evidence::kept && !record.text.empty();
  if (summary) text(out, "text", cut_text(record.text));
  if (facets.empty()) return out;
  member(out, "facets");
  out.push_back('{');
  out += facets;
  if (!params.empty()) out.push_back(','), out += params;
  if (!session_.empty()) out.push_back(','), out += session_;
  out.push_back('}');
  return out;
}

std::string AuditLines::outcome(const Outcome& outcome) {
  std::string out;
  out.reserve(192);
  member(out, "time");
  audit::append_json_time(out, outcome.time_unix_ns);
  text(out, "id", action_id_text(outcome.id));
  text(out, "type", "outcome");
  member(out, "ok"), out += outcome.ok ? "true" : "false";
  member(out, "bytes_up"), number(out, static_cast<std::int64_t>(outcome.bytes_up));
  member(out, "bytes_down"), number(out, static_cast<std::int64_t>(outcome.bytes_down));
  text(out, "code", outcome.code);
  if (!outcome.why.empty()) text(out, "why", cut_text(outcome.why));
  if (!outcome.frames.empty()) member(out, "frames"), out += outcome.frames;
  return out;
}

std::string AuditLines::text_line(std::string_view digest, std::string_view whole,
                                  std::int64_t time_unix_ns) {
  std::string out;
  member(out, "time");
  audit::append_json_time(out, time_unix_ns);
  text(out, "type", "text");
  text(out, "sha256", digest);
  text(out, "text", whole);
  return out;
}

}  // namespace clawpatrol
