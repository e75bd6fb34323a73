// The public cases of google/cel-spec, those that need no protobuf and no extension, through the internal
// entry point that knows no facets.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <deque>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "policy/cel/expression.h"

namespace {

using nlohmann::json;
using namespace clawpatrol::cel;

const Type* type_of_json(const json& type, TypePool& types) {
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
  if (kind == "timestamp") return Value::of_timestamp(inner[0], inner[1]);
  if (kind == "duration")
    return Value::of_duration(inner[0].get<std::int64_t>() * 1'000'000'000 + inner[1].get<std::int64_t>());
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
  return equals(frame, found, wanted).is_true();
}

struct Case {
  bool passed = false;
  std::string why;
};

Case run(const json& record) {
  Arena arena;
  TypePool types;
  Environment environment;
  environment.container = record.value("container", "");
  if (record.value("disable_check", false)) environment.strictness = Strictness::lenient;
  std::vector<Value> values;
  for (const json& declared : record.value("type_env", json::array())) {
    std::string name = declared["name"];
    environment.variables.push_back({name, type_of_json(declared["ident"]["type"], types)});
    bool bound = record["bindings"].contains(name);
    values.push_back(bound ? value_of(record["bindings"][name], arena) : Value::error(ErrorCode::undeclared));
  }
  const json& expect = record["expect"];
  Macros macros = record.value("disable_macros", false) ? Macros::off : Macros::expand;
  auto expression = Expression::compile(record["expr"].get<std::string>(), environment, macros);
  if (!expression) return {expect.contains("error"), expression.error()[0].message};
  Frame frame(nullptr, values, 1'000'000);
  Value found = expression->evaluate(frame);
  if (found.kind == Kind::error) return {expect.contains("error"), std::string(text_of(found.code()))};
  if (!expect.contains("value")) return {false, "no error"};
  bool same = identical(frame, found, value_of(expect["value"], arena));
  return {same, found.kind == Kind::string ? std::string(found.text()) : std::string(type_name(found))};
}

}  // namespace

TEST_CASE("the public cases of CEL without protobuf and extensions give the answers of the specification") {
  std::ifstream file(CLAWPATROL_FIXTURES "/cel/cel_conformance.jsonl");
  REQUIRE(file);
  std::map<std::string, std::pair<int, int>> table;
  int passed = 0, total = 0;
  for (std::string line; std::getline(file, line);) {
    json record = json::parse(line);
    const char* extensions = std::getenv("CEL_ALL");
    if (!record["core"] && !(extensions && record["file"].get<std::string>() == extensions)) continue;
    Case result = run(record);
    auto& [file_passed, file_total] = table[record["file"]];
    file_passed += result.passed;
    passed += result.passed;
    ++file_total;
    ++total;
    if (!result.passed && std::getenv("CEL_VERBOSE"))
      std::cout << fmt::format("  {}: {}\n    {}: wanted {}\n", record["file"].get<std::string>(),
                               record["expr"].get<std::string>(), result.why, record["expect"].dump());
  }
  for (const auto& [name, counts] : table)
    std::cout << fmt::format("{:>14} {:>4} of {}\n", name, counts.first, counts.second);
  std::cout << fmt::format("{:>14} {:>4} of {}\n", "core", passed, total);
  CHECK(total >= 1152);
  CHECK(passed >= 1111);
}
