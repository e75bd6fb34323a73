#include "parsers/postgres/backend.h"

namespace clawpatrol::postgres {
namespace {

std::unexpected<Malformed> malformed(std::string_view why) {
  return std::unexpected(Malformed{why});
}

}  // namespace

Read<Authentication> read_authentication(std::string_view body) {
  Reader reader(body);
  Authentication authentication{.code = reader.u32(), .data = reader.rest()};
  if (!reader.ok()) return malformed("Authentication without a code");
  return authentication;
}

std::vector<std::string_view> sasl_mechanisms(std::string_view data) {
  std::vector<std::string_view> mechanisms;
  Reader reader(data);
  while (true) {
    std::string_view name = reader.cstring();
    if (!reader.ok()) return {};
    if (name.empty()) break;
    mechanisms.push_back(name);
  }
  if (!reader.complete()) return {};
  return mechanisms;
}

Read<ParameterStatus> read_parameter_status(std::string_view body) {
  Reader reader(body);
  ParameterStatus status{.name = reader.cstring(), .value = reader.cstring()};
  if (!reader.complete()) return malformed("ParameterStatus is not two strings");
  return status;
}

Read<BackendKeyData> read_backend_key(std::string_view body) {
  Reader reader(body);
  BackendKeyData data{.process = reader.u32(), .key = reader.rest()};
  if (!reader.ok() || data.key.size() < 4 || data.key.size() > 256)
    return malformed("BackendKeyData with a key of impossible length");
  return data;
}

namespace {

// Up to the terminator, or to what is not there.
ErrorFields read_fields(Reader& reader) {
  ErrorFields fields;
  std::string_view localised;
  while (true) {
    const char field = static_cast<char>(reader.u8());
    if (!reader.ok() || field == 0) break;
    std::string_view value = reader.cstring();
    if (!reader.ok()) break;
    if (field == 'V') fields.severity = value;
    if (field == 'S') localised = value;
    if (field == 'C') fields.code = value;
    if (field == 'M') fields.message = value;
  }
  if (fields.severity.empty()) fields.severity = localised;
  return fields;
}

}  // namespace

Read<ErrorFields> read_error(std::string_view body) {
  Reader reader(body);
  ErrorFields fields = read_fields(reader);
  if (!reader.ok()) return malformed("ErrorResponse without its terminator");
  if (!reader.complete()) return malformed("ErrorResponse with trailing bytes");
  return fields;
}

ErrorFields peek_error(std::string_view prefix) {
  Reader reader(prefix);
  return read_fields(reader);
}

Read<char> read_ready(std::string_view body) {
  if (body.size() != 1 || std::string_view("ITE").find(body[0]) == std::string_view::npos)
    return malformed("ReadyForQuery with an unknown state");
  return body[0];
}

Read<std::string_view> read_command_complete(std::string_view body) {
  Reader reader(body);
  std::string_view tag = reader.cstring();
  if (!reader.complete()) return malformed("CommandComplete is not one string");
  return tag;
}

Read<ParameterDescription> read_parameter_description(std::string_view body) {
  Reader reader(body);
  ParameterDescription description{.type_count = reader.u16(), .types = reader.rest()};
  if (!reader.ok() || description.types.size() != description.type_count * sizeof(std::uint32_t))
    return malformed("ParameterDescription that does not hold as many types as it says");
  return description;
}

Read<NegotiateVersion> read_negotiate_version(std::string_view body) {
  Reader reader(body);
  NegotiateVersion negotiate{.minor = reader.u32() & 0xffff, .unknown_options = {}};
  const std::uint32_t count = reader.u32();
  for (std::uint32_t i = 0; i < count && reader.ok(); ++i)
    negotiate.unknown_options.push_back(reader.cstring());
  if (!reader.complete()) return malformed("NegotiateProtocolVersion with fields that do not fill it");
  return negotiate;
}

}  // namespace clawpatrol::postgres
