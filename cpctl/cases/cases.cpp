#include "cpctl/cases/cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cpctl/cases/nodes.h"
#include "parsers/base64.h"
#include "policy/cel/time.h"
#include "policy/config/files.h"
#include "policy/config/hosts.h"
#include "policy/config/suggest.h"

namespace clawpatrol::cpctl {
namespace {

using config::Entry;
using config::Location;
using config::Node;
using config::NodeKind;
using config::Report;

constexpr std::array<std::string_view, 21> case_keys = {
    "name",     "peer", "address",     "endpoint", "dest",    "credential", "user",
    "database", "time", "startup",     "type",     "before",  "sql",        "params",
    "facets",   "http", "http_base64", "request",  "verdict", "rule",       "reason"};
constexpr std::array<std::string_view, action_types> type_names = {
    "statement", "request", "login", "cancel", "function_call", "replication", "dns", "connect", "message"};

// What the policy and the case itself say of an action, so that the two cannot contradict each other.
constexpr std::pair<std::string_view, std::string_view> following_facets[] = {
    {"action.type", "type"},      {"peer.", "peer"}, {"endpoint.", "endpoint"},    {"dest.", "dest"},
    {"credential", "credential"}, {"now", "time"},   {"sql.database", "database"}, {"sql.user", "credential"},
    {"sql.declared_user", "user"}};

bool is_null(const Node& node) {
  return node.kind == NodeKind::table && node.entries.empty();
}

// Reads one [[case]], with what [defaults] says where it says nothing.
class Reader {
 public:
  Reader(const Node& node, const Node* defaults, Report& report)
      : node_(node), defaults_(defaults), report_(report) {}

  void read(Case& out) {
    check_keys(node_);
    text("name", out.name);
    text("peer", out.peer);
    text("address", out.address);
    text("endpoint", out.endpoint);
    text("credential", out.credential);
    text("user", out.user);
    text("database", out.database);
    read_dest(out);
    read_time(out);
    read_startup(out);
    read_action(out);
    read_expected(out);
  }

 private:
  void check_keys(const Node& table) {
    for (const Entry& entry : table.entries)
      if (std::ranges::find(case_keys, std::string_view(entry.key)) == case_keys.end())
        report_.error(entry.key_at, fmt::format("unknown key '{}' in a case", entry.key),
                      config::suggestion(entry.key, case_keys));
  }

  const Node* find(std::string_view key) const {
    if (const Entry* entry = node_.find(key)) return &entry->value;
    const Entry* entry = defaults_ ? defaults_->find(key) : nullptr;
    return entry ? &entry->value : nullptr;
  }

  const Node* find(std::string_view key, NodeKind kind) const {
    const Node* node = find(key);
    if (!node || node->kind == kind) return node;
    report_.error(node->at, fmt::format("'{}' is {}, not {}", key, name_of(kind), name_of(node->kind)));
    return nullptr;
  }

  std::optional<std::string> text(std::string_view key) const {
    const Node* node = find(key, NodeKind::string);
    return node ? std::optional(node->text) : std::nullopt;
  }
  void text(std::string_view key, std::string& into) const {
    if (auto found = text(key)) into = std::move(*found);
  }

  std::vector<std::string> texts(std::string_view key) const {
    std::vector<std::string> out;
    const Node* array = find(key, NodeKind::array);
    if (!array) return out;
    for (const Node& item : array->items) {
      if (item.kind == NodeKind::string)
        out.push_back(item.text);
      else
        report_.error(item.at,
                      fmt::format("'{}' is an array of strings, and this is {}", key, name_of(item.kind)));
    }
    return out;
  }

  void read_dest(Case& out) const {
    const Node* node = find("dest", NodeKind::string);
    if (!node) return;
    auto host = config::parse_host(node->text, std::nullopt);
    if (!host) {
      report_.error(node->at, host.error().message, host.error().hint);
    } else if (host->wildcard) {
      report_.error(node->at, "'dest' is what the agent dials: a name or an address, and a port");
    } else {
      out.dest = DestFacets{host->host, host->port};
    }
  }

  void read_time(Case& out) const {
    const Node* node = find("time");
    if (!node) return;
    std::string written = node->text;
    if (node->kind == NodeKind::date)
      written = node->at.source->text().substr(node->at.begin, node->at.end - node->at.begin);
    auto time = cel::parse_timestamp(written);
    constexpr std::int64_t latest = 9'223'372'036;  // seconds: nanoseconds are held in 64 bits
    if (!time || time->kind != cel::Kind::timestamp)
      report_.error(node->at, fmt::format("'time' is not a time: '{}'", written),
                    "Write it with its offset, such as \"2026-03-02T09:30:00Z\".");
    else if (time->integer <= 0 || time->integer >= latest)
      report_.error(node->at, fmt::format("'time' is out of range: '{}'", written),
                    "A time is held as nanoseconds since 1970 in 64 bits, which end in April 2262.");
    else
      out.time_unix_ns = time->integer * 1'000'000'000 + time->size;
  }

  void read_startup(Case& out) const {
    const Node* table = find("startup", NodeKind::table);
    if (!table) return;
    for (const Entry& entry : table->entries) {
      if (entry.value.kind != NodeKind::string)
        report_.error(entry.value.at, fmt::format("startup parameter '{}' is not a string", entry.key));
      else if (entry.key == "user" || entry.key == "database")
        report_.error(entry.key_at, fmt::format("'{}' is a key of the case itself", entry.key));
      else
        out.startup.emplace_back(entry.key, entry.value.text);
    }
  }

  void read_params(Case& out) const {
    const Node* node = find("params");
    if (!node) return;
    if (node->kind == NodeKind::string && node->text == "pending") {
      out.params = Case::Params::pending;
      return;
    }
    const Node* array = find("params", NodeKind::array);
    if (!array) return;
    out.params = Case::Params::given;
    constexpr std::size_t most = 65'535;  // Bind counts them in 16 bits
    if (array->items.size() > most)
      report_.error(array->at, fmt::format("a statement has at most {} parameters, and these are {}", most,
                                           array->items.size()));
    for (const Node& item : array->items) {
      if (item.kind == NodeKind::string)
        out.values.emplace_back(item.text);
      else if (is_null(item))
        out.values.emplace_back(std::nullopt);
      else
        report_.error(item.at, fmt::format("a parameter is its text, and this is {}", name_of(item.kind)),
                      "Write \"42\"; SQL's NULL is {} in TOML and null in JSON.");
    }
  }

  void read_type(Case& out) const {
    const Node* node = find("type", NodeKind::string);
    if (!node) return;
    auto found = std::ranges::find(type_names, std::string_view(node->text));
    if (found == type_names.end())
      report_.error(node->at, fmt::format("unknown type '{}'", node->text),
                    config::suggestion(node->text, type_names));
    else
      out.type = static_cast<ActionType>(found - type_names.begin());
  }

  // Where a facet is written: as "sql.verb", or as verb within sql.
  static Location place_of(const Node& facets, std::string_view name) {
    if (const Entry* entry = facets.find(name)) return entry->key_at;
    const std::size_t dot = name.find('.');
    const Entry* outer = dot == name.npos ? nullptr : facets.find(name.substr(0, dot));
    if (!outer) return facets.at;
    const Entry* inner = outer->value.find(name.substr(dot + 1));
    return inner ? inner->key_at : outer->key_at;
  }

  void read_facets(const Node& facets, Case& out) const {
    out.facets = json_of_node(facets);
    auto stated = read_action_text(*out.facets);
    if (!stated) {
      for (const FacetProblem& problem : stated.error()) {
        std::string message = problem.facet.empty() ? "" : fmt::format("'{}': ", problem.facet);
        report_.error(place_of(facets, problem.facet), message + problem.message, problem.hint);
      }
      return;
    }
    for (const auto& [prefix, key] : following_facets) {
      for (const FacetInfo& facet : facet_table) {
        if (facet.path.starts_with(prefix) && stated->states(facet.id))
          report_.error(place_of(facets, facet.path),
                        fmt::format("'{}' is not stated among the facets: it follows from the case's '{}'",
                                    facet.path, key));
      }
    }
    out.stated = std::make_shared<const StatedAction>(std::move(*stated));
  }

  void read_header(const Entry& entry, RequestParts& parts) const {
    const Node& value = entry.value;
    if (value.kind == NodeKind::string) parts.headers.emplace_back(entry.key, value.text);
    bool texts = value.kind == NodeKind::string || value.kind == NodeKind::array;
    for (const Node& item : value.items) {
      texts &= item.kind == NodeKind::string;
      parts.headers.emplace_back(entry.key, item.text);
    }
    if (!texts)
      report_.error(value.at,
                    fmt::format("header '{}' is neither a string nor an array of strings", entry.key));
  }

  void read_part(const Entry& entry, RequestParts& parts) const {
    const Node& value = entry.value;
    constexpr std::array<std::string_view, 4> keys = {"method", "target", "headers", "body"};
    const bool text = value.kind == NodeKind::string, table = value.kind == NodeKind::table;
    if (std::ranges::find(keys, std::string_view(entry.key)) == keys.end())
      return void(report_.error(entry.key_at, fmt::format("unknown key '{}' in a request", entry.key),
                                config::suggestion(entry.key, keys)));
    if (entry.key == "body" && (text || table))
      parts.body = text ? value.text : json_of_node(value);
    else if (entry.key == "headers" && table)
      for (const Entry& header : value.entries) read_header(header, parts);
    else if (entry.key == "method" && text)
      parts.method = value.text;
    else if (entry.key == "target" && text)
      parts.target = value.text;
    else
      report_.error(value.at, fmt::format("'{}' of a request cannot be {}", entry.key, name_of(value.kind)));
  }

  void read_request(Case& out) const {
    const Node *wire = find("http", NodeKind::string), *encoded = find("http_base64", NodeKind::string);
    const Node* parts = find("request", NodeKind::table);
    if (!wire && !encoded && !parts) return;
    const Node* first = wire ? wire : encoded ? encoded : parts;
    if ((wire != nullptr) + (encoded != nullptr) + (parts != nullptr) > 1)
      report_.error(first->at, "a case has one of 'http', 'http_base64' and 'request'");
    out.type = ActionType::request;
    out.request.emplace();
    if (wire) out.request->wire = wire->text;
    if (encoded) {
      out.request->wire = base64_decoded(encoded->text, Base64Padding::required);
      if (!out.request->wire) report_.error(encoded->at, "'http_base64' is not Base64");
    }
    if (!parts) return;
    for (const Entry& entry : parts->entries) read_part(entry, out.request->parts);
    if (out.request->parts.target.empty())
      report_.error(parts->at, "a request has a 'target'", "As in request = { target = \"/path?query\" }.");
  }

  void read_action(Case& out) const {
    read_type(out);
    out.sql = text("sql");
    out.before = texts("before");
    read_params(out);
    if (const Node* facets = find("facets", NodeKind::table)) read_facets(*facets, out);
    read_request(out);
    const bool statement = out.type == ActionType::statement;
    if (out.sql && out.facets)
      report_.error(find("facets")->at, "a case has 'sql' or 'facets', not both");
    else if (out.request && (out.sql || out.facets))
      report_.error(node_.at, "a case has a request, or 'sql', or 'facets'");
    else if (!out.sql && !out.facets && !out.request && (statement || out.type == ActionType::request))
      report_.error(node_.at, fmt::format("case '{}' says nothing of what the agent does", out.name),
                    "Give it 'sql', 'request' or 'facets', or a 'type' such as \"login\".");
    if (out.sql && !statement)
      report_.error(find("sql")->at, fmt::format("SQL text is a statement, not a {}", name_of(out.type)));
    if (!out.sql && (out.params != Case::Params::none || !out.before.empty()))
      report_.error(find(out.before.empty() ? "params" : "before")->at,
                    "only a case with 'sql' has 'params' and 'before'");
  }

  void read_expected(Case& out) const {
    constexpr std::array<std::string_view, 3> verdicts = {"allow", "deny", "undecided"};
    const Node* node = find("verdict");
    if (!node)
      report_.error(node_.at, fmt::format("case '{}' expects no verdict", out.name),
                    "Write verdict = \"allow\" or verdict = \"deny\".");
    else if (const Node* written = find("verdict", NodeKind::string)) {
      auto found = std::ranges::find(verdicts, std::string_view(written->text));
      if (found == verdicts.end())
        report_.error(written->at, fmt::format("unknown verdict '{}'", written->text),
                      config::suggestion(written->text, verdicts));
      else
        out.verdict = static_cast<Expected>(found - verdicts.begin());
    }
    out.rule = text("rule");
    out.reason = text("reason");
  }

  const Node& node_;
  const Node* defaults_;
  Report& report_;
};

void add_case(CaseFile& file, const Node& node, const Node* defaults, Report& report) {
  Case& made = file.cases.emplace_back();
  made.at = node.at;
  made.place = node.at.source->place(node.at.begin, node.at.end);
  made.name = fmt::format("case {}", file.cases.size());
  if (node.kind == NodeKind::table)
    Reader(node, defaults, report).read(made);
  else
    report.error(node.at, fmt::format("a case is a table, and this is {}", name_of(node.kind)));
}

void read_toml(CaseFile& file, Report& report) {
  auto root = config::parse_document(*file.source, report);
  if (!root) return;
  constexpr std::array<std::string_view, 3> top = {"schema", "defaults", "case"};
  const Node* defaults = nullptr;
  for (const Entry& entry : root->entries) {
    if (entry.key == "schema") {
      if (entry.value.kind != NodeKind::integer || entry.value.integer != 1)
        report.error(entry.value.at, "unknown schema of cases", "This version reads schema = 1.");
    } else if (entry.key == "defaults" && entry.value.kind == NodeKind::table) {
      defaults = &entry.value;
      for (const Entry& inner : defaults->entries)
        if (std::ranges::find(case_keys, std::string_view(inner.key)) == case_keys.end())
          report.error(inner.key_at, fmt::format("unknown key '{}' in [defaults]", inner.key),
                       config::suggestion(inner.key, case_keys));
    } else if (entry.key != "case" || entry.value.kind != NodeKind::array) {
      report.error(
          entry.key_at, fmt::format("unknown key '{}' at the top of a file of cases", entry.key),
          entry.key == "case" ? "Write [[case]], with two brackets." : config::suggestion(entry.key, top));
    }
  }
  const Entry* cases = root->find("case");
  if (!cases || cases->value.kind != NodeKind::array) return;
  for (const Node& node : cases->value.items) add_case(file, node, defaults, report);
}

void read_json_lines(CaseFile& file, Report& report) {
  const std::string_view text = file.source->text();
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    const Location at{file.source.get(), begin, end};
    begin = end + 1;
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    if (auto node = node_of_json(line, at, report)) add_case(file, *node, nullptr, report);
  }
}

bool is_json(std::string_view name) {
  return name.ends_with(".jsonl") || name.ends_with(".ndjson") || name.ends_with(".json");
}

}  // namespace

std::string_view name_of(Expected verdict) {
  switch (verdict) {
    case Expected::allow: return "allow";
    case Expected::deny: return "deny";
    case Expected::undecided: return "undecided";
  }
  return "deny";
}

CaseFile read_cases_text(std::string name, std::string text, Report& report) {
  CaseFile file;
  const bool json = is_json(name);
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);
  file.source = std::make_unique<config::Source>(std::move(name), "", std::move(text));
  if (json)
    read_json_lines(file, report);
  else
    read_toml(file, report);
  if (file.cases.empty() && !report.has_errors())
    report.error_in_file(file.source->name(), "there is no case in this file",
                         json ? "" : "A case is a [[case]] table.");
  return file;
}

CaseFile read_cases(const std::filesystem::path& path, Report& report) {
  auto text = config::read_file(path, is_json(path.native()) ? most_case_bytes : config::max_file_bytes);
  if (text) return read_cases_text(path.native(), std::move(*text), report);
  report.error_in_file(path.native(), fmt::format("cannot read: {}", text.error()));
  return {};
}

}  // namespace clawpatrol::cpctl
