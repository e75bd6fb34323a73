// Bodies of the messages that a server sends, as far as a session must know them.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "parsers/postgres/frontend.h"

namespace clawpatrol::postgres {

// 'R'. Codes: 0 ok, 3 cleartext, 5 MD5 (salt), 10 SASL (mechanisms), 11 SASL continue, 12 SASL final.
struct Authentication {
  std::uint32_t code = 0;
  std::string_view data;
};

struct ParameterStatus {
  std::string_view name;
  std::string_view value;
};

struct BackendKeyData {
  std::uint32_t process = 0;
  std::string_view key;  // 4 to 256 bytes
};

// 'E' and 'N': the fields that are looked at; the others pass.
struct ErrorFields {
  std::string_view severity;  // field V, never translated; or S from a server before 9.6
  std::string_view code;
  std::string_view message;
  bool is_fatal() const { return severity == "FATAL" || severity == "PANIC"; }
};

// 't': of a statement that was described. Every type is known to the server by then.
struct ParameterDescription {
  std::uint16_t type_count = 0;
  std::string_view types;  // type_count times 4 bytes
};

struct NegotiateVersion {
  std::uint32_t minor = 0;
  std::vector<std::string_view> unknown_options;
};

Read<Authentication> read_authentication(std::string_view body);
std::vector<std::string_view> sasl_mechanisms(std::string_view data);  // empty where malformed
Read<ParameterStatus> read_parameter_status(std::string_view body);
Read<BackendKeyData> read_backend_key(std::string_view body);
Read<ErrorFields> read_error(std::string_view body);
// The same of which only a first part is there: the fields that are in it whole.
ErrorFields peek_error(std::string_view prefix);
Read<char> read_ready(std::string_view body);  // 'I', 'T' or 'E'
Read<std::string_view> read_command_complete(std::string_view body);
Read<ParameterDescription> read_parameter_description(std::string_view body);
Read<NegotiateVersion> read_negotiate_version(std::string_view body);

}  // namespace clawpatrol::postgres
