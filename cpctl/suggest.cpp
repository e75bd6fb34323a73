#include "cpctl/suggest.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "cpctl/printable.h"
#include "policy/cel/written.h"
#include "policy/json/read.h"

namespace clawpatrol::cpctl {
namespace {

std::string text_of(const Json& object, const char* name) {
  auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string literal(const std::string& text) {
  return cel::written(cel::Value::of_string(text));
}

// The names of a list that a line holds; an empty one is not written.
std::vector<std::string> names_in(const Json& facets, const char* name) {
  std::vector<std::string> names;
  if (auto found = facets.find(name); found != facets.end() && found->is_array())
    for (const Json& item : *found)
      if (item.is_string()) names.push_back(item.get<std::string>());
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::string list_literal(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + literal(name);
  return "[" + out + "]";
}

// Exactly these, in any order.
std::string same_names(const char* facet, const std::vector<std::string>& names) {
  if (names.empty()) return fmt::format("{}.size() == 0", facet);
  return fmt::format("sets.equivalent({}, {})", facet, list_literal(names));
}

// FNV-1a: of what a rule says, so that rules of another day, kept beside these, have other names.
std::uint32_t fingerprint(std::string_view condition) {
  std::uint32_t hash = 2166136261;
  for (char c : condition) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619;
  return hash;
}

bool is_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

}  // namespace

struct Suggestions::Member {
  std::string endpoint, about, condition, alternative, time, id;
};

namespace {

// Facets that the log does not hold whole cannot be compared with.
std::string lacking(const Json& facets) {
  for (const char* name : {"unknown", "statement_unknown"})
    if (facets.contains(name)) return "text that was not read";
  if (facets.contains("open")) return "it reaches what its text does not name";
  if (facets.contains("cut")) return "more names than the log holds";
  return "";
}

// Whether what the log holds of a statement beside its text says what it does to which relations. Of any
// other (ALTER, GRANT, SET) the text alone says it.
bool is_told_by_facets(const Json& facets) {
  const std::string verb = text_of(facets, "verb"), copy = text_of(facets, "copy");
  if (verb == "copy") return copy.ends_with(" client");
  constexpr std::string_view told[] = {"select", "insert", "update", "delete", "merge"};
  return std::ranges::find(told, verb) != std::end(told);
}

std::string lacking_of_sql(const Json& facets) {
  return is_told_by_facets(facets) || facets.contains("statement") ? "" : "a text longer than the log holds";
}

std::pair<std::string, std::string> of_sql(const Json& facets) {
  std::string condition = fmt::format("sql.database == {} && sql.user == {} && sql.verb == {}",
                                      literal(text_of(facets, "database")), literal(text_of(facets, "user")),
                                      literal(text_of(facets, "verb")));
  auto also = [&](const std::string& more) { condition += " && " + more; };
  also(same_names("sql.verbs", names_in(facets, "verbs")));
  also(same_names("sql.functions", names_in(facets, "functions")));
  also(same_names("sql.classes", names_in(facets, "classes")));
  also(facets.value("unbounded", false) ? "sql.unbounded" : "!sql.unbounded");
  const std::string copy = text_of(facets, "copy");
  const std::size_t blank = std::min(copy.find(' '), copy.size());
  also(fmt::format("sql.copy.direction == {}", literal(copy.substr(0, blank))));
  if (!copy.empty())
    also(fmt::format("sql.copy.target == {}", literal(copy.substr(std::min(blank + 1, copy.size())))));
  const auto writes = names_in(facets, "writes");
  std::string alternative = same_names("sql.tables", names_in(facets, "tables"));
  if (!writes.empty()) alternative += " && " + same_names("sql.writes", writes);
  if (!is_told_by_facets(facets))
    alternative += " && sql.statement == " + literal(text_of(facets, "statement"));
  return {condition, alternative};
}

std::pair<std::string, std::string> of_http(const Json& facets) {
  std::string condition = fmt::format("http.method == {} && {}", literal(text_of(facets, "method")),
                                      same_names("http.classes", names_in(facets, "classes")));
  return {condition, fmt::format("http.host == {} && http.path == {}", literal(text_of(facets, "host")),
                                 literal(text_of(facets, "path")))};
}

// As one would write it in a condition.
std::string literal_of(const Json& value) {
  std::string out;
  auto add = [&](const std::string& item) { out += (out.empty() ? "" : ", ") + item; };
  switch (value.type()) {
    case Json::value_t::string: return literal(value.get<std::string>());
    case Json::value_t::array:
      for (const Json& item : value) add(literal_of(item));
      return "[" + out + "]";
    case Json::value_t::object:
      for (const auto& [name, item] : value.items()) add(literal(name) + ": " + literal_of(item));
      return "{" + out + "}";
    default: return value.dump();  // null, true, false and integers, as in JSON
  }
}

// Of deletions, evictions and scaling the log holds the options whole, where they are plain.
bool holds_change(const Json& line, const Json& facets) {
  return text_of(line, "kind") == "write" && facets.contains("k8s_params") && facets.contains("k8s_body") &&
         !facets.contains("body_unknown");
}

// What stands in the way of a rule for a request to an API server; "": nothing. Of most changes the log holds
// neither the object nor whether it was a trial (`dryRun`), and of a stream nothing that went through it: a
// rule for either would allow more than was done.
std::string lacking_of_kubernetes(const Json& line, const Json& facets) {
  const std::string verb = text_of(facets, "verb"), resource = text_of(facets, "resource");
  const std::string under =
      resource.find('/') == resource.npos ? "" : resource.substr(resource.find('/') + 1);
  for (const char* stream : {"exec", "attach", "portforward", "proxy"})
    if (under == stream || verb == stream)
      return "a stream of Kubernetes, whose content the log does not hold";
  if (holds_change(line, facets)) return "";
  bool reads = false;
  for (const char* each : {"get", "list", "watch", "head"}) reads = reads || verb == each;
  // One that asks to be somebody else is not of this kind either.
  if (!reads || text_of(line, "kind") != "read" || facets.contains("body_size") ||
      facets.contains("body_unknown"))
    return "a change of Kubernetes objects, or one in another's name, which the log does not hold whole";
  return "";
}

std::pair<std::string, std::string> of_kubernetes(const Json& facets) {
  std::string condition = fmt::format("http.host == {}", literal(text_of(facets, "host")));
  for (const char* name : {"verb", "group", "version", "resource", "namespace"})
    condition += fmt::format(" && k8s.{} == {}", name, literal(text_of(facets, name)));
  // What was a trial (`dryRun`) stays one. A patch that is an object says the same whatever its type is.
  if (facets.contains("k8s_params"))
    condition += fmt::format(" && k8s.params == {} && k8s.body == {}", literal_of(facets["k8s_params"]),
                             literal_of(facets["k8s_body"]));
  // What is no resource, such as /version, is its path alone.
  if (text_of(facets, "resource").empty())
    return {condition, fmt::format("http.path == {}", literal(text_of(facets, "path")))};
  return {condition, fmt::format("k8s.name == {}", literal(text_of(facets, "name")))};
}

}  // namespace

void Suggestions::take(std::string_view line) {
  auto read = read_json(line);
  if (!read || !read->is_object()) return;
  const std::string type = text_of(*read, "type"), verdict = text_of(*read, "verdict"),
                    guard = text_of(*read, "guard");
  if ((type != "statement" && type != "request") || !text_of(*read, "rule").empty()) return;
  // Denied by a rule is denied on purpose, and refused by the gateway itself whatever rules say.
  if (!(guard == "observe" || (verdict == "deny" && guard.empty()))) return;
  ++actions_;
  auto facets = read->find("facets");
  if (facets == read->end() || !facets->is_object()) return void(++left_out_["without facets"]);
  if (std::string why = lacking(*facets); !why.empty()) return void(++left_out_[why]);
  const bool sql = type == "statement" && !text_of(*facets, "verb").empty();
  const bool kubernetes = type == "request" && !text_of(*facets, "verb").empty();
  const bool http = type == "request" && !kubernetes && !text_of(*facets, "path").empty();
  if (!sql && !http && !kubernetes) return void(++left_out_["without the facets that a rule could name"]);
  std::string why = kubernetes ? lacking_of_kubernetes(*read, *facets) : sql ? lacking_of_sql(*facets) : "";
  const std::string dest = text_of(*read, "dest");
  const std::size_t colon = dest.rfind(':');
  if (colon == dest.npos) why = "without a destination";
  if (!why.empty()) return void(++left_out_[why]);
  auto [condition, alternative] = sql          ? of_sql(*facets)
                                  : kubernetes ? of_kubernetes(*facets)
                                               : of_http(*facets);
  condition = fmt::format(
      "peer.profile == {} && dest.host == {} && dest.port == {} && credential == {} && action.kind == {} && "
      "{}",
      literal(text_of(*read, "profile")), literal(dest.substr(0, colon)), dest.substr(colon + 1),
      literal(text_of(*read, "credential")), literal(text_of(*read, "kind")), condition);
  add({.endpoint = text_of(*read, "endpoint"),
       .about = sql          ? text_of(*facets, "verb")
                : kubernetes ? text_of(*facets, "verb") + "-" + text_of(*facets, "resource")
                             : text_of(*facets, "method"),
       .condition = std::move(condition),
       .alternative = std::move(alternative),
       .time = text_of(*read, "time"),
       .id = text_of(*read, "id")});
}

void Suggestions::add(const Member& member) {
  if (!is_name(member.endpoint)) return void(++left_out_["at no endpoint"]);
  Group& group = groups_[member.endpoint + "\n" + member.about + "\n" + member.condition];
  if (group.count++ == 0) {
    group.endpoint = member.endpoint;
    group.about = member.about;
    group.condition = member.condition;
    group.first = member.time;
    group.example = member.id;
  }
  group.last = std::max(group.last, member.time);
  group.alternatives.insert(member.alternative);
}

std::string Suggestions::toml() const {
  std::string out;
  for (const auto& [key, group] : groups_) {
    std::string alternatives;
    for (const std::string& each : group.alternatives)
      alternatives +=
          (alternatives.empty() ? "" : " || ") + (group.alternatives.size() > 1 ? "(" + each + ")" : each);
    std::string about;
    for (char c : group.about) about += is_name(std::string_view(&c, 1)) ? c : '-';
    const std::string name = fmt::format("seen-{}-{}", group.endpoint, about).substr(0, 55);
    const std::string condition = group.condition + " && (" + alternatives + ")";
    const std::string times = group.count == 1 ? "once" : fmt::format("{} times", group.count);
    out += fmt::format("# {}, from {} to {}; one of them: cpctl explain {}\n", times, printable(group.first),
                       printable(group.last), printable(group.example));
    out += fmt::format(
        "[[rule]]\nname      = \"{}-{:08x}\"\nendpoint  = \"{}\"\ncondition = {}\nverdict   = \"allow\"\n\n",
        name, fingerprint(condition), group.endpoint, printable_in_toml(condition));
  }
  return out;
}

}  // namespace clawpatrol::cpctl
