// The public cases of google/cel-spec, those that need no protobuf messages, through the internal entry point
// that knows no facets. `scripts/conformance cel` prints the table.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <deque>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "policy/cel/expression.h"
#include "policy/cel/utf8.h"

namespace {

using nlohmann::json;
using namespace clawpatrol::cel;

const Type* type_of_json(const json& type, TypePool& types) {
  if (type.contains("abstract_type")) {
    const json& abstract = type["abstract_type"];
    if (abstract["name"] != "optional_type") return nullptr;
    return types.optional(type_of_json(abstract["parameter_types"][0], types));
  }
  if (type.contains("well_known")) {
    if (type["well_known"] == "TIMESTAMP") return &timestamp_type;
    return type["well_known"] == "DURATION" ? &duration_type : &dyn_type;
  }
  if (type.contains("null")) return &null_type;
  if (type.contains("list_type")) return types.list(type_of_json(type["list_type"]["elem_type"], types));
  if (type.contains("map_type"))
    return types.map(type_of_json(type["map_type"]["key_type"], types),
                     type_of_json(type["map_type"]["value_type"], types));
  if (!type.contains("primitive")) return &dyn_type;
  std::string name = type["primitive"];
  if (name == "BOOL") return &bool_type;
  if (name == "INT64") return &int_type;
  if (name == "UINT64") return &uint_type;
  if (name == "DOUBLE") return &double_type;
  if (name == "STRING") return &string_type;
  return name == "BYTES" ? &bytes_type : &dyn_type;
}

std::string unhex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

double real_of(const json& value) {
  if (value.is_number()) return value.get<double>();
  std::string text = value;
  return text == "NaN" ? NAN : text == "Infinity" ? INFINITY : -INFINITY;
}

std::int64_t whole_of(const json& value) {
  return value.is_string() ? std::stoll(value.get<std::string>()) : value.get<std::int64_t>();
}

Value value_of(const json& value, Arena& arena) {
  std::string kind = value.begin().key();
  const json& inner = value.begin().value();
  if (kind == "null") return Value::null();
  if (kind == "bool") return Value::of_bool(inner);
  if (kind == "int") return Value::of_int(std::stoll(inner.get<std::string>()));
  if (kind == "uint") return Value::of_uint(std::stoull(inner.get<std::string>()));
  if (kind == "double") return Value::of_double(real_of(inner));
  if (kind == "string") return Value::of_string(arena.keep(inner.get<std::string>()));
  if (kind == "bytes") return Value::of_bytes(arena.keep(unhex(inner)));
  if (kind == "type") return Value::of_type(arena.keep(inner.get<std::string>()));
  if (kind == "timestamp") return Value::of_timestamp(whole_of(inner[0]), inner[1]);
  if (kind == "duration")
    return Value::of_duration(whole_of(inner[0]) * 1'000'000'000 + inner[1].get<std::int64_t>());
  if (kind == "list") {
    Value* items = arena.make<Value>(inner.size());
    for (std::size_t i = 0; i < inner.size(); ++i) items[i] = value_of(inner[i], arena);
    return Value::of_list(new (arena.allocate(sizeof(ListData))) ListData{items, inner.size()});
  }
  if (kind != "map") return Value::error(ErrorCode::wrong_type);
  Entry* entries = arena.make<Entry>(inner.size());
  for (std::size_t i = 0; i < inner.size(); ++i)
    entries[i] = {value_of(inner[i][0], arena), value_of(inner[i][1], arena)};
  return Value::of_map(new (arena.allocate(sizeof(MapData))) MapData{entries, inner.size()});
}

// Stricter than ==: an int is not a double, and NaN is NaN.
bool identical(Frame& frame, Value found, Value wanted) {
  if (found.kind != wanted.kind) return false;
  if (found.kind == Kind::real)
    return (std::isnan(found.real) && std::isnan(wanted.real)) || found.real == wanted.real;
  if (found.kind == Kind::list) {
    bool all = list_size(found) == list_size(wanted);
    for (std::size_t i = 0; all && i < list_size(found); ++i)
      all = identical(frame, list_at(found, i), list_at(wanted, i));
    return all;
  }
  if (found.kind == Kind::map) {
    bool all = map_size(found) == map_size(wanted);
    for (const Entry& entry : entries_of(frame, wanted))
      all = all && identical(frame, lookup(frame, found, entry.key), entry.value);
    return all;
  }
  return equals(frame, found, wanted).is_true();
}

// What the fixture's own reader of textproto left as it was written there: \u0100, \U0001f62c, \?.
std::string without_textproto_escapes(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    char kind = text[at] == '\\' && at + 1 < text.size() ? text[at + 1] : ' ';
    std::size_t digits = kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    if (kind == '?') {
      out += '?';
      at += 2;
    } else if (digits > 0 && text.size() - at >= 2 + digits) {
      utf8::append(
          out, static_cast<std::uint32_t>(std::stoul(std::string(text.substr(at + 2, digits)), nullptr, 16)));
      at += 2 + digits;
    } else {
      out += text[at++];
    }
  }
  return out;
}

bool identical_but_for_escapes(Value found, Value wanted) {
  bool text = found.kind == Kind::string || found.kind == Kind::bytes;
  return text && found.kind == wanted.kind && found.text() == without_textproto_escapes(wanted.text());
}

enum class Result { passed, mended, refused, failed, out_of_scope };  // refused: an error and no answer

struct Case {
  Result result = Result::failed;
  std::string why;
};

Case refused(const json& expect, std::string why) {
  return {expect.contains("error") ? Result::passed : Result::refused, std::move(why)};
}

// Why a case is none of ours, or "".
std::string out_of_scope(const json& record) {
  for (const json& declared : record.value("type_env", json::array()))
    if (declared.contains("function")) return "declares functions of its own";
  std::string expression = record["expr"];
  if (expression.find("TestRequired{") != std::string::npos)
    return "makes a message of the suite's own schema";
  return record["needs_proto"] ? "needs protobuf messages" : "";
}

struct Prepared {
  Arena arena;
  TypePool types;
  Environment environment;
  std::vector<Value> values;
};

void prepare(const json& record, Prepared& prepared) {
  prepared.environment.container = record.value("container", "");
  if (record.value("disable_check", false)) prepared.environment.strictness = Strictness::lenient;
  for (const json& declared : record.value("type_env", json::array())) {
    if (!declared.contains("ident")) continue;
    std::string name = declared["name"];
    const Type* type = type_of_json(declared["ident"]["type"], prepared.types);
    prepared.environment.variables.push_back({name, type ? type : &dyn_type});
    bool bound = record["bindings"].contains(name);
    prepared.values.push_back(bound ? value_of(record["bindings"][name], prepared.arena)
                                    : Value::error(ErrorCode::undeclared));
  }
}

Case run(const json& record, Folding folding) {
  Prepared prepared;
  prepare(record, prepared);
  prepared.environment.folding = folding;
  const json& expect = record["expect"];
  Macros macros = record.value("disable_macros", false) ? Macros::off : Macros::expand;
  auto expression = Expression::compile(record["expr"].get<std::string>(), prepared.environment, macros);
  if (!expression) return refused(expect, expression.error()[0].message);
  if (expect.contains("deduced_type")) {
    const Type* type = type_of_json(expect["deduced_type"], prepared.types);
    if (!type || describe(*type) != describe(expression->type()))
      return {Result::failed, describe(expression->type())};
    if (record.value("check_only", false)) return {Result::passed, {}};
  }
  Frame frame(nullptr, prepared.values, {});
  Value found = expression->evaluate(frame);
  if (found.kind == Kind::error) return refused(expect, std::string(text_of(found.code())));
  if (!expect.contains("value")) return {Result::failed, "no error"};
  Value wanted = value_of(expect["value"], prepared.arena);
  std::string why(found.kind == Kind::string ? found.text() : type_name(found));
  if (identical(frame, found, wanted)) return {Result::passed, {}};
  return identical_but_for_escapes(found, wanted) ? Case{Result::mended, why} : Case{Result::failed, why};
}

struct Row {
  int passed = 0, mended = 0, failed = 0, out_of_scope = 0;
  void count(Result result) {
    (result == Result::passed         ? passed
     : result == Result::mended       ? mended
     : result == Result::out_of_scope ? out_of_scope
                                      : failed)++;
  }
  std::string text(const std::string& name) const {
    return fmt::format("{:>16} {:>7} {:>7} {:>7} {:>13}\n", name, passed + mended, failed, mended,
                       out_of_scope);
  }
};

std::vector<json> records() {
  std::vector<json> all;
  std::ifstream file(CLAWPATROL_FIXTURES "/cel/cel_conformance.jsonl");
  for (std::string line; std::getline(file, line);) all.push_back(json::parse(line));
  return all;
}

}  // namespace

TEST_CASE("the public cases of CEL give the answers of the specification, with folding and without") {
  std::map<std::string, Row> table;
  std::map<std::string, int> reasons;
  Row core, all;
  std::string failures;
  for (const json& record : records()) {
    std::string reason = out_of_scope(record);
    Case result = reason.empty() ? run(record, Folding::on) : Case{Result::out_of_scope, reason};
    if (!reason.empty()) ++reasons[reason];
    if (reason.empty() && run(record, Folding::off).result != result.result)
      result = {Result::failed, "folding makes a difference"};
    table[record["file"]].count(result.result);
    all.count(result.result);
    if (record["core"]) core.count(result.result);
    if (result.result == Result::failed || result.result == Result::refused)
      failures += fmt::format("{}: {}\n    {}: wanted {}\n", record["file"].get<std::string>(),
                              record["expr"].get<std::string>(), result.why, record["expect"].dump());
  }
  std::cout << fmt::format("{:>16} {:>7} {:>7} {:>7} {:>13}\n", "file", "passed", "failed", "mended",
                           "out of scope");
  for (const auto& [name, row] : table) std::cout << row.text(name);
  std::cout << core.text("core") << all.text("all") << "\n";
  std::cout << "mended: passed, but for escapes of textproto that the fixture's expected text keeps\n";
  for (const auto& [reason, count] : reasons)
    std::cout << fmt::format("out of scope, {}: {}\n", reason, count);
  INFO(failures);
  CHECK(failures.empty());
  CHECK(core.passed + core.mended == 1151);
  CHECK(core.out_of_scope == 1);
  CHECK(core.mended == 22);
}

TEST_CASE("what needs protobuf messages is refused, never answered otherwise than the specification does") {
  int refusals = 0;
  for (const json& record : records()) {
    // Of a message's type nothing is known here, so neither is what follows from it.
    if (!record["needs_proto"] || record["expect"].contains("deduced_type")) continue;
    Case result = run(record, Folding::on);
    INFO(record["expr"].get<std::string>() << ": " << result.why);
    CHECK(result.result != Result::failed);
    refusals += result.result == Result::refused;
  }
  CHECK(refusals > 500);
}
