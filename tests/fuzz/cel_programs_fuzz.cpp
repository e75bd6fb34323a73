// Random well-typed conditions over the real table of facets, and random actions of which more or less is
// known.
//
// Every condition compiles, costs and makes no more than its limits, says the same twice and the same with
// its constants folded and not; knowing more never turns what was decided round; and a rule that the index
// leaves out has a condition that is not true.
#include <fmt/format.h>

#include <cstdlib>
#include <initializer_list>
#include <string>
#include <string_view>

#include "policy/cel/expression.h"
#include "policy/cel/syntax.h"
#include "policy/cel/trace.h"
#include "policy/dispatch.h"
#include "policy/policy.h"

namespace {

using namespace clawpatrol;
using cel::Truth;

// The program at hand, for whoever looks at a crash.
std::string program;

void require(bool holds, std::string_view what) {
  if (holds) return;
  fmt::print(stderr, "{}:\n  {}\n", what, program);
  std::abort();
}

// The input as a sequence of choices; when it is used up, every choice is the first.
class Choices {
 public:
  Choices(const unsigned char* data, std::size_t size) : data_(data), left_(size) {}
  std::size_t upto(std::size_t count) {
    if (left_ == 0) return 0;
    --left_;
    return *data_++ % count;
  }
  bool one_in(std::size_t count) { return upto(count) == count - 1; }
  std::string_view pick(std::initializer_list<std::string_view> from) {
    return *(from.begin() + upto(from.size()));
  }

 private:
  const unsigned char* data_;
  std::size_t left_;
};

// Programs: one function a type, which first says what needs no further depth.
class Generator {
 public:
  explicit Generator(Choices& choices) : choices_(choices) {}

  std::string boolean(int depth) {
    if (depth <= 0) return leaf(FacetType::boolean, {"true", "false", "has(peer.labels.team)"});
    const int d = depth - 1;
    switch (choices_.upto(30)) {
      case 24: return fmt::format("({} == {})", dynamic(d), choices_.one_in(2) ? dynamic(d) : text(d));
      case 25: return fmt::format("({} in {})", text(d), choices_.one_in(2) ? dynamic(d) : lists(d));
      case 26: return fmt::format("has({}.a)", choices_.one_in(2) ? dynamic(d) : lists(d));
      case 27:
        return over(dynamic(d), choices_.pick({"exists", "all", "exists_one"}), "d",
                    [&] { return boolean(d); });
      case 28:
        return fmt::format("({} {} {})", dynamic(d), comparison(), choices_.one_in(2) ? number(d) : real(d));
      case 29:
        return fmt::format("{}.{}(k, v, k == {})", lists(d), choices_.pick({"exists", "all"}), text(d));
      case 0: return fmt::format("({} && {})", boolean(d), boolean(d));
      case 1: return fmt::format("({} || {})", boolean(d), boolean(d));
      case 2: return fmt::format("!({})", boolean(d));
      case 3: return fmt::format("({} ? {} : {})", boolean(d), boolean(d), boolean(d));
      case 4: return fmt::format("({} {} {})", text(d), comparison(), text(d));
      case 5: return fmt::format("({} {} {})", number(d), comparison(), number(d));
      case 6: return fmt::format("({} {} {})", real(d), comparison(), real(d));
      case 7: return fmt::format("({} == {})", texts(d), texts(d));
      case 8: return fmt::format("({} in {})", text(d), texts(d));
      case 9: return fmt::format("({} in {})", text(d), map(d));
      case 10: return quantified(d);
      case 11:
        return fmt::format("sets.{}({}, {})", choices_.pick({"contains", "equivalent", "intersects"}),
                           texts(d), texts(d));
      case 12:
        return fmt::format("{}.{}({})", text(d),
                           choices_.pick({"startsWith", "contains", "endsWith", "matches"}), text(d));
      case 13:
        return fmt::format("{}.matches('{}')", text(d), choices_.pick({"a+", "(?i)b|c", "^.{2,5}$", ""}));
      case 14: return fmt::format("{}.hasValue()", optional(d));
      case 15: return fmt::format("({} == {})", optional(d), optional(d));
      case 16: return fmt::format("({} {} {})", moment(d), comparison(), moment(d));
      case 17: return fmt::format("({} == {})", map(d), map(d));
      case 18:
        return fmt::format("{}.containsIP({})", choices_.pick({"cidr('10.0.0.0/8')", "cidr('::/0')"}),
                           text(d));
      case 19: return fmt::format("({} == {})", numbers(d), numbers(d));
      case 20: return bound("b", boolean(d), [&] { return boolean(d); });
      case 21: return fmt::format("({} == {})", bytes(d), bytes(d));
      case 22: return fmt::format("is{}({})", choices_.pick({"IP", "CIDR"}), text(d));
      default: return fmt::format("optional.of({}).orValue({})", boolean(d), boolean(d));
    }
  }

 private:
  std::string_view comparison() { return choices_.pick({"==", "!=", "<", ">="}); }

  // A facet of this type, a variable in scope, or a constant.
  std::string leaf(FacetType type, std::initializer_list<std::string_view> constants) {
    if (choices_.one_in(3)) return std::string(choices_.pick(constants));
    std::string name(constants.begin()[0]);
    std::size_t wanted = choices_.upto(std::size(facet_table));
    for (std::size_t i = 0; i < std::size(facet_table); ++i) {
      const FacetInfo& facet = facet_table[(i + wanted) % std::size(facet_table)];
      if (facet.type == type) return std::string(facet.path);
    }
    return name;
  }

  // A new variable in `body`, whose type is of the letter it begins with: t text, n number, b bool, d
  // anything.
  template <class Body>
  std::string bound(std::string_view letter, const std::string& value, Body body) {
    std::string name = fmt::format("{}{}", letter, variables_.size());
    variables_.push_back(name);
    std::string made = fmt::format("cel.bind({}, {}, {})", name, value, body());
    variables_.pop_back();
    return made;
  }

  template <class Body>
  std::string over(const std::string& list, std::string_view macro, std::string_view letter, Body body) {
    std::string name = fmt::format("{}{}", letter, variables_.size());
    variables_.push_back(name);
    std::string made = fmt::format("{}.{}({}, {})", list, macro, name, body());
    variables_.pop_back();
    return made;
  }

  std::string variable(char letter, std::string otherwise) {
    if (variables_.empty()) return otherwise;
    const std::string& name = variables_[choices_.upto(variables_.size())];
    return name[0] == letter ? name : otherwise;
  }

  std::string quantified(int depth) {
    std::string_view macro = choices_.pick({"exists", "all", "exists_one"});
    if (choices_.one_in(3)) return over(numbers(depth), macro, "n", [&] { return boolean(depth); });
    if (choices_.one_in(3)) return fmt::format("{}.{}(i, v, i > 0 || v == 'a')", texts(depth), macro);
    return over(texts(depth), macro, "t", [&] {
      return choices_.one_in(2) ? boolean(depth)
                                : fmt::format("{} == {}", variable('t', "'a'"), text(depth - 1));
    });
  }

  std::string text(int depth) {
    if (depth <= 0)
      return variable('t', leaf(FacetType::string, {"'a'", "'b'", "'users'", "''", "'10.1.2.3'", "'\u00e9'",
                                                    "'Europe/Berlin'"}));
    const int d = depth - 1;
    switch (choices_.upto(18)) {
      case 16: return fmt::format("string({})", dynamic(d));
      case 17: return fmt::format("{}[{}][{}]", lists(d), text(d), number(d));
      case 0: return fmt::format("({} + {})", text(d), text(d));
      case 1: return fmt::format("{}.join({})", texts(d), text(d));
      case 2: return fmt::format("{}.replace({}, {})", text(d), text(d), text(d));
      case 3: return fmt::format("{}.substring({})", text(d), number(d));
      case 4:
        return fmt::format("{}.{}()", text(d),
                           choices_.pick({"upperAscii", "lowerAscii", "trim", "reverse"}));
      case 5: return fmt::format("'%s %.2f %x'.format([{}, {}, {}])", texts(d), real(d), number(d));
      case 6: return fmt::format("strings.quote({})", text(d));
      case 7: return fmt::format("{}.orValue({})", optional(d), text(d));
      case 8: return fmt::format("{}[{}]", texts(d), number(d));
      case 9: return fmt::format("{}[{}]", map(d), text(d));
      case 10: return fmt::format("string({})", number(d));
      case 11: return fmt::format("base64.encode({})", bytes(d));
      case 12: return fmt::format("({} ? {} : {})", boolean(d), text(d), text(d));
      case 13: return bound("t", text(d), [&] { return text(d); });
      case 14: return fmt::format("cel.block([{}, cel.index(0) + 'x'], cel.index(1))", text(d));
      default: return fmt::format("{}.charAt({})", text(d), number(d));
    }
  }

  std::string texts(int depth) {
    if (depth <= 0) return leaf(FacetType::string_list, {"['a', 'b']", "['users']", "['b', 'a', 'b']"});
    const int d = depth - 1;
    switch (choices_.upto(17)) {
      case 14: return fmt::format("{}[{}]", lists(d), text(d));
      case 15: return fmt::format("{}.?a.orValue({})", lists(d), texts(d));
      case 16: return over(lists(d), "map", "t", [&] { return text(d); });
      case 0: return fmt::format("({} + {})", texts(d), texts(d));
      case 1: return over(texts(d), "filter", "t", [&] { return boolean(d); });
      case 2: return over(texts(d), "map", "t", [&] { return text(d); });
      case 3: return fmt::format("[{}, ?{}]", text(d), optional(d));
      case 4: return fmt::format("{}.{}()", texts(d), choices_.pick({"sort", "distinct", "reverse"}));
      case 5: return over(texts(d), "sortBy", "t", [&] { return number(d); });
      case 6: return fmt::format("{}.slice({}, {})", texts(d), number(d), number(d));
      case 7: return fmt::format("[{}, {}].flatten()", texts(d), texts(d));
      case 8: return fmt::format("{}.split({})", text(d), text(d));
      case 9: return fmt::format("({} ? {} : {})", boolean(d), texts(d), texts(d));
      case 10: return over(map(d), "map", "t", [&] { return text(d); });
      case 11: return fmt::format("{}.transformList(i, v, i > {}, v)", texts(d), number(d));
      case 12: return fmt::format("optional.of({}).value()", texts(d));
      default: return fmt::format("[{}, {}]", text(d), text(d));
    }
  }

  std::string number(int depth) {
    if (depth <= 0)
      return variable('n', leaf(FacetType::integer, {"0", "1", "2", "-1", "9223372036854775807"}));
    const int d = depth - 1;
    switch (choices_.upto(13)) {
      case 11: return fmt::format("int({})", dynamic(d));
      case 12: return fmt::format("size({})", choices_.one_in(2) ? dynamic(d) : lists(d));
      case 0: return fmt::format("{}.size()", texts(d));
      case 1: return fmt::format("size({})", text(d));
      case 2:
        return fmt::format("({} {} {})", number(d), choices_.pick({"+", "-", "*", "/", "%"}), number(d));
      case 3:
        return fmt::format("math.{}({}, {})", choices_.pick({"greatest", "least", "bitAnd", "bitXor"}),
                           number(d), number(d));
      case 4: return fmt::format("{}.{}({})", text(d), choices_.pick({"indexOf", "lastIndexOf"}), text(d));
      case 5:
        return fmt::format("{}.getHours('{}')", moment(d), choices_.pick({"UTC", "Europe/Berlin", "-03:30"}));
      case 6: return fmt::format("{}[{}]", numbers(d), number(d));
      case 7: return fmt::format("int({})", text(d));
      case 8: return fmt::format("{}.first().orValue({})", numbers(d), number(d));
      case 9: return bound("n", number(d), [&] { return number(d); });
      default: return fmt::format("{}.getDayOfYear({})", moment(d), text(d));
    }
  }

  std::string numbers(int depth) {
    if (depth <= 0) return std::string(choices_.pick({"[1, 2, 3]", "[0]", "lists.range(5)"}));
    const int d = depth - 1;
    switch (choices_.upto(5)) {
      case 0: return over(texts(d), "map", "t", [&] { return number(d); });
      case 1: return fmt::format("lists.range({})", number(d));
      case 2: return fmt::format("{}.sort()", numbers(d));
      case 3: return over(numbers(d), "map", "n", [&] { return number(d); });
      default: return fmt::format("[{}, {}]", number(d), number(d));
    }
  }

  std::string real(int depth) {
    if (depth <= 0) return std::string(choices_.pick({"1.5", "0.0", "-1e300", "(0.0 / 0.0)"}));
    if (choices_.one_in(2)) return fmt::format("double({})", number(depth - 1));
    return fmt::format("math.{}({})", choices_.pick({"floor", "sqrt", "sign", "abs"}), real(depth - 1));
  }

  std::string bytes(int depth) {
    if (choices_.one_in(3)) return fmt::format("base64.decode({})", text(depth - 1));
    return fmt::format("bytes({})", text(depth - 1));
  }

  std::string moment(int depth) {
    if (depth <= 0 || choices_.one_in(2))
      return leaf(FacetType::timestamp, {"timestamp(0)", "timestamp('2024-02-29T12:00:00Z')"});
    return fmt::format("({} + duration('{}'))", moment(depth - 1), choices_.pick({"1h", "-90s", "8760h"}));
  }

  std::string map(int depth) {
    if (depth <= 0) return leaf(FacetType::string_map, {"{'a': 'b'}", "{'users': 'x', 'team': 'y'}"});
    const int d = depth - 1;
    switch (choices_.upto(4)) {
      case 0: return fmt::format("{{{}: {}, ?{}: {}}}", text(d), text(d), text(d), optional(d));
      case 1: return fmt::format("{}.transformMap(k, v, v + k)", map(d));
      case 2: return fmt::format("{}.transformMapEntry(k, v, {{v: k}})", map(d));
      default: return fmt::format("{}.transformMapEntry(i, v, i < 2, {{v: {}}})", texts(d), text(d));
    }
  }

  // Of names and what each of them stands for: headers, a query.
  std::string lists(int depth) {
    if (depth <= 0) return leaf(FacetType::string_list_map, {"{'a': ['b', 'users']}", "{'': ['a']}"});
    const int d = depth - 1;
    switch (choices_.upto(4)) {
      case 0: return fmt::format("{{{}: {}}}", text(d), texts(d));
      case 1: return fmt::format("{}.transformMap(k, v, v + [k])", lists(d));
      case 2: return fmt::format("{}.transformMap(k, v, k != {}, v)", lists(d), text(d));
      default: return lists(0);
    }
  }

  // What a document holds.
  std::string dynamic(int depth) {
    if (depth <= 0 && choices_.one_in(4)) return "dyn(k8s.impersonate)";
    if (depth <= 0)
      return variable('d', leaf(FacetType::dynamic, {"dyn(1)", "dyn({'a': [1, null, 'b']})", "dyn([])"}));
    const int d = depth - 1;
    switch (choices_.upto(10)) {
      case 0: return fmt::format("{}.a", dynamic(d));
      case 1: return fmt::format("{}[{}]", dynamic(d), choices_.one_in(2) ? text(d) : number(d));
      case 2: return fmt::format("{}.?a.orValue({})", dynamic(d), dynamic(d));
      case 3: return fmt::format("({} + {})", dynamic(d), dynamic(d));
      case 4: return fmt::format("dyn([{}, {}])", dynamic(d), dynamic(d));
      case 5: return fmt::format("dyn({{{}: {}}})", text(d), dynamic(d));
      case 6: return "dyn(" + over(dynamic(d), "filter", "d", [&] { return boolean(d); }) + ")";
      case 7: return "dyn(" + over(dynamic(d), "map", "d", [&] { return dynamic(d); }) + ")";
      case 8: return fmt::format("({} ? {} : {})", boolean(d), dynamic(d), dynamic(d));
      default: return fmt::format("dyn({})", choices_.one_in(2) ? lists(d) : map(d));
    }
  }

  // Of texts.
  std::string optional(int depth) {
    if (depth <= 0)
      return std::string(choices_.pick({"optional.none()", "optional.of('a')", "peer.labels.?team"}));
    const int d = depth - 1;
    switch (choices_.upto(8)) {
      case 0: return fmt::format("optional.of({})", text(d));
      case 1: return fmt::format("optional.ofNonZeroValue({})", text(d));
      case 2: return fmt::format("{}[?{}]", texts(d), number(d));
      case 3: return fmt::format("{}[?{}]", map(d), text(d));
      case 4: return fmt::format("{}.or({})", optional(d), optional(d));
      case 5: return over(optional(d), "optMap", "t", [&] { return text(d); });
      case 6: return over(optional(d), "optFlatMap", "t", [&] { return optional(d); });
      default: return fmt::format("{}.{}()", texts(d), choices_.pick({"first", "last"}));
    }
  }

  Choices& choices_;
  std::vector<std::string> variables_;
};

// What is known of one action, twice: all of it, and with some of it forgotten.
struct Knowledge {
  enum class Protocol : std::uint8_t { sql, http, kubernetes, websocket };
  // What an action of any protocol says; what its own does not have is not looked at.
  struct Facets {
    SqlFacets sql;
    SqlParams params = SqlParams::Value{"7", std::nullopt, "a"};
    HttpFacets http;
    K8sFacets k8s;
    WsFacets ws;
  };
  Protocol protocol = Protocol::sql;
  PeerFacets peer{"builder-1", "data", "10.86.0.2", {{"team", "a"}}};
  EndpointFacets endpoint{"prod", "postgres"};
  DestFacets dest{"pg.internal", 5432};
  SqlSessionFacets session{"app", "agent", "agent"};
  Facets full, less;
  bool opened = false;   // some list
  bool nothing = false;  // of the less

  explicit Knowledge(Choices& choices) : choices_(choices) {
    protocol = static_cast<Protocol>(choices.upto(4));
    each(full, [&](auto& facet) { make(facet); });
    less = full;
    each(less, [&](auto& facet) { forget(facet); });
    nothing = choices.one_in(16);
  }

  Action all() const { return with(&full); }
  Action part() const { return with(nothing ? nullptr : &less); }

 private:
  Action with(const Facets* facets) const {
    Action action;
    action.type = protocol == Protocol::sql         ? ActionType::statement
                  : protocol == Protocol::websocket ? ActionType::message
                                                    : ActionType::request;
    action.kind = ActionKind::write;
    action.peer = &peer;
    action.endpoint = &endpoint;
    action.dest = &dest;
    action.credential = "reader";
    action.now_unix_ns = 1'700'000'000'500'000'000;
    action.sql_session = protocol == Protocol::sql ? &session : nullptr;
    if (facets == nullptr) return action;
    if (protocol == Protocol::sql) {
      action.sql = &facets->sql;
      action.sql_params = &facets->params;
      return action;
    }
    action.http = &facets->http;
    if (protocol == Protocol::kubernetes) action.k8s = &facets->k8s;
    if (protocol == Protocol::websocket) action.ws = &facets->ws;
    return action;
  }

  template <class Visit>
  void each(Facets& facets, Visit visit) const {
    if (protocol == Protocol::sql) {
      SqlFacets& sql = facets.sql;
      visit(sql.verb), visit(sql.statement), visit(sql.unbounded), visit(sql.statements), visit(sql.copy);
      visit(sql.verbs), visit(sql.tables), visit(sql.reads), visit(sql.writes), visit(sql.columns);
      visit(sql.functions), visit(sql.classes), visit(sql.literals), visit(facets.params);
      return;
    }
    HttpFacets& http = facets.http;
    visit(http.method), visit(http.host), visit(http.path), visit(http.raw_path), visit(http.body);
    visit(http.body_size), visit(http.classes), visit(http.body_json);
    lists(http.query, visit), lists(http.headers, visit);
    if (protocol == Protocol::websocket) {
      WsFacets& ws = facets.ws;
      visit(ws.direction), visit(ws.opcode), visit(ws.text), visit(ws.json);
      return;
    }
    K8sFacets& k8s = facets.k8s;
    visit(k8s.verb), visit(k8s.group), visit(k8s.version), visit(k8s.resource), visit(k8s.subresource);
    visit(k8s.namespace_), visit(k8s.name), visit(k8s.path), visit(k8s.argv), visit(k8s.derived);
    visit(k8s.body), lists(k8s.params, visit), impersonated(k8s.impersonate, visit);
  }

  // A name has a list of texts, and an impersonation a text and a list, whatever else a document can be.
  template <class Visit>
  void lists(Facet<Document>& facet, Visit visit) const {
    visit(facet);
    if (!facet.known() || is_of_lists(*facet)) return;
    Document::Members members;
    for (std::size_t i = choices_.upto(3); i > 0; --i) add_text(members, text(), std::string(text()));
    facet = Document{std::move(members)};
  }
  static bool is_of_lists(const Document& document) {
    if (document.members() == nullptr) return false;
    for (const Document::Member& member : *document.members()) {
      if (member.value.items() == nullptr) return false;
      for (const Document& item : *member.value.items())
        if (item.text() == nullptr) return false;
    }
    return true;
  }
  template <class Visit>
  void impersonated(Facet<Document>& facet, Visit visit) const {
    const bool made = facet.known();
    visit(facet);
    if (made || !facet.known()) return;
    Document::Items groups;
    for (std::size_t i = choices_.upto(3); i > 0; --i) groups.push_back({std::string(text())});
    facet = Document{Document::Members{{"user", {std::string(text())}}, {"groups", {std::move(groups)}}}};
  }

  std::string_view text() const {
    return choices_.pick(
        {"a", "b", "users", "", "1", "SELECT a FROM users", "\xff b", "10.1.2.3", "app/json"});
  }
  Document document(int depth) const {
    switch (choices_.upto(depth > 0 ? 9 : 6)) {
      case 0: return {std::string(text())};
      case 1: return {choices_.one_in(2)};
      case 2: return {static_cast<std::int64_t>(choices_.upto(3)) - 1};
      case 3: return {std::uint64_t{0xffffffffffffffff}};
      case 4: return {1.5};
      case 5: return {};
      case 6: {
        Document::Items items;
        for (std::size_t i = choices_.upto(4); i > 0; --i) items.push_back(document(depth - 1));
        return {std::move(items)};
      }
      default: {
        Document::Members members;
        for (std::string_view name : {"a", "b", "users", ""})
          if (choices_.one_in(2)) members.push_back({std::string(name), document(depth - 1)});
        return {std::move(members)};
      }
    }
  }

  void make(Facet<std::string>& facet) const {
    std::string made(text());
    // Long enough that looking at it over and over is dear.
    if (choices_.one_in(200)) made.assign(100'000, 'a');
    facet = std::move(made);
  }
  void make(Facet<bool>& facet) const { facet = choices_.one_in(2); }
  void make(Facet<std::int64_t>& facet) const { facet = static_cast<std::int64_t>(choices_.upto(3)); }
  void make(Facet<CopyFacet>& facet) const {
    facet = CopyFacet{std::string(choices_.pick({"", "to"})), std::string(choices_.pick({"", "program"}))};
  }
  void make(Facet<NameList>& facet) const {
    NameList list;
    for (std::size_t i = choices_.upto(4); i > 0; --i) list.items.emplace_back(text());
    facet = std::move(list);
  }
  void make(Facet<Document>& facet) const { facet = document(3); }
  void make(SqlParams&) const {}

  template <class T>
  void forget(Facet<T>& facet) {
    constexpr Unknown why[] = {Unknown::unparseable, Unknown::over_limit, Unknown::pending,
                               Unknown::undecodable, Unknown::not_asked};
    if (choices_.one_in(3)) facet = why[choices_.upto(std::size(why))];
  }
  void forget(Facet<NameList>& facet) {
    const std::size_t fate = choices_.upto(4);
    if (fate == 0) facet = Unknown::unparseable;
    if (fate != 1) return;
    opened = true;
    facet->open = true;
    std::erase_if(facet->items, [&](const std::string&) { return choices_.one_in(2); });
  }

  Choices& choices_;
};

constexpr cel::Limits limits{.cost = 50'000, .memory = 1 << 20};

struct Answer {
  Truth truth = Truth::unevaluable;
  bool exhausted = false;
  std::uint64_t cost = 0;
  cel::Kind kind = cel::Kind::null;
  bool operator==(const Answer&) const = default;
};

Answer ask(const cel::Expression& expression, const Action& action) {
  cel::Frame frame(&action, {}, limits);
  cel::Value value = expression.evaluate(frame);
  require(frame.cost() <= limits.cost + 1, "cost past its limit");
  // The variables of macros come on top.
  require(frame.memory() <= limits.memory + 4096, "memory past its limit");
  require(value.kind == cel::Kind::boolean || value.undecided(), "no bool");
  Truth truth = value.undecided() ? Truth::unevaluable : value.boolean ? Truth::yes : Truth::no;
  return {truth, frame.exhausted(), frame.cost(), value.kind};
}

void check_index(const std::string& text, const std::vector<FacetFamily>& families, const Knowledge& known) {
  auto condition = cel::Condition::compile(text, {families});
  require(condition.has_value(), "no condition");
  Rule rule;
  rule.condition = std::move(*condition);
  const RuleDispatch dispatch({&rule});
  for (const Action& action : {known.all(), known.part()}) {
    if (dispatch.candidates(action).has(0)) continue;
    cel::Outcome outcome = rule.condition->evaluate(action, limits.cost);
    require(outcome.truth == Truth::no || outcome.cause == "cost limit", "left out by the index");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  Choices choices(data, size);
  const Knowledge known(choices);
  std::string text = Generator(choices).boolean(1 + static_cast<int>(choices.upto(5)));
  program = text;
  cel::Environment folding, plain;
  folding.families = plain.families = cel::all_families();
  plain.folding = cel::Folding::off;
  auto folded = cel::Expression::compile(text, folding);
  auto unfolded = cel::Expression::compile(text, plain);
  for (const auto* expression : {&folded, &unfolded}) {
    if (expression->has_value()) continue;
    const std::string& why = expression->error()[0].message;
    bool foreseen = false;  // what no type shows
    for (std::string_view begin :
         {"nested too deeply", "too long", "longer than", "unknown time zone", "invalid pattern"})
      foreseen |= why.starts_with(begin);
    require(foreseen, why);
    return 0;
  }
  const Action all = known.all(), part = known.part();
  const Answer full = ask(*folded, all), less = ask(*folded, part);
  require(full == ask(*folded, all) && less == ask(*folded, part), "another answer the second time");
  const Answer slow = ask(*unfolded, part);
  require(slow.exhausted || less.exhausted || slow.truth == less.truth, "folding makes a difference");
  bool refused = full.exhausted || (known.opened && full.truth == Truth::unevaluable);
  require(less.truth == Truth::unevaluable || less.truth == full.truth || refused,
          "decided otherwise when more is known");
  check_index(text, *folding.families, known);
  return 0;
}
