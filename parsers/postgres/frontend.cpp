#include "parsers/postgres/frontend.h"

namespace clawpatrol::postgres {
namespace {

std::unexpected<Malformed> malformed(std::string_view why) {
  return std::unexpected(Malformed{why});
}

// A count and that many values, each a length and its bytes.
bool read_values(Reader& reader, std::string_view body, Values& out) {
  const std::uint16_t count = reader.u16();
  const std::size_t begin = body.size() - reader.left();
  for (std::uint16_t i = 0; i < count && reader.ok(); ++i) {
    const std::int32_t size = reader.i32();
    if (size < -1) return false;
    if (size > 0) reader.bytes(static_cast<std::size_t>(size));
  }
  if (!reader.ok()) return false;
  out = Values(count, body.substr(begin, body.size() - reader.left() - begin));
  return true;
}

// A count and that many format codes, each 0 (text) or 1 (binary).
bool read_formats(Reader& reader, std::uint16_t& count, std::string_view& raw) {
  count = reader.u16();
  raw = reader.bytes(std::size_t{count} * 2);
  Reader codes(raw);
  for (std::uint16_t i = 0; i < count; ++i)
    if (codes.u16() > 1) return false;
  return reader.ok();
}

}  // namespace

bool Bind::is_binary(std::uint16_t index) const {
  if (format_count == 0) return false;
  const std::uint16_t at = format_count == 1 ? 0 : index;
  if (at >= format_count) return true;  // refused by read_bind; binary is the form that is not decoded
  return formats[std::size_t{at} * 2 + 1] == 1;
}

Read<Query> read_query(std::string_view body) {
  Reader reader(body);
  Query query{.text = reader.cstring()};
  if (!reader.complete()) return malformed("Query is not one string");
  return query;
}

Read<Parse> read_parse(std::string_view body) {
  Reader reader(body);
  Parse parse;
  parse.name = reader.cstring();
  parse.text = reader.cstring();
  parse.type_count = reader.u16();
  parse.types = reader.bytes(std::size_t{parse.type_count} * 4);
  if (!reader.complete()) return malformed("Parse with fields that do not fill it");
  return parse;
}

Read<Bind> read_bind(std::string_view body) {
  Reader reader(body);
  Bind bind;
  bind.portal = reader.cstring();
  bind.statement = reader.cstring();
  if (!reader.ok()) return malformed("Bind without its names");
  bind.after_names = body.substr(body.size() - reader.left());
  if (!read_formats(reader, bind.format_count, bind.formats))
    return malformed("Bind with wrong format codes");
  if (!read_values(reader, body, bind.values)) return malformed("Bind with values that do not fit");
  if (!read_formats(reader, bind.result_format_count, bind.result_formats))
    return malformed("Bind with wrong result format codes");
  if (!reader.complete()) return malformed("Bind with trailing bytes");
  if (bind.format_count > 1 && bind.format_count != bind.values.count())
    return malformed("Bind with as many formats as neither one nor every value");
  return bind;
}

Read<Describe> read_describe(std::string_view body) {
  Reader reader(body);
  Describe describe{.kind = static_cast<char>(reader.u8()), .name = reader.cstring()};
  if (!reader.complete()) return malformed("Describe or Close with fields that do not fill it");
  if (describe.kind != 'S' && describe.kind != 'P') return malformed("Describe or Close of neither S nor P");
  return describe;
}

Read<Execute> read_execute(std::string_view body) {
  Reader reader(body);
  Execute execute{.portal = reader.cstring(), .max_rows = reader.u32()};
  if (!reader.complete()) return malformed("Execute with fields that do not fill it");
  return execute;
}

Read<FunctionCall> read_function_call(std::string_view body) {
  Reader reader(body);
  FunctionCall call;
  call.function = reader.u32();
  std::uint16_t format_count = 0;
  std::string_view formats;
  if (!read_formats(reader, format_count, formats)) return malformed("FunctionCall with wrong format codes");
  if (!read_values(reader, body, call.values)) return malformed("FunctionCall with values that do not fit");
  const std::uint16_t result_format = reader.u16();
  if (!reader.complete() || result_format > 1)
    return malformed("FunctionCall with fields that do not fill it");
  return call;
}

bool is_empty_message(char type) {
  return type == 'S' || type == 'H' || type == 'c' || type == 'X';
}

std::optional<std::string_view> peek_parse_name(std::string_view prefix) {
  Reader reader(prefix);
  std::string_view name = reader.cstring();
  if (!reader.ok()) return std::nullopt;
  return name;
}

std::optional<BindNames> peek_bind_names(std::string_view prefix) {
  Reader reader(prefix);
  BindNames names{.portal = reader.cstring(), .statement = reader.cstring()};
  if (!reader.ok()) return std::nullopt;
  return names;
}

}  // namespace clawpatrol::postgres
