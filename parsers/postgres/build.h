// Messages that the gateway itself sends, appended to a buffer. Texts must hold no NUL: what came from a peer
// was cut at one, and what a configuration says was checked when it was loaded.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "parsers/postgres/frontend.h"

namespace clawpatrol::postgres {

// To a server.
using Parameters = std::span<const std::pair<std::string, std::string>>;
void append_startup(std::string& out, std::uint16_t minor, Parameters parameters);
void append_ssl_request(std::string& out);
void append_cancel(std::string& out, std::uint32_t process, std::string_view key);
void append_query(std::string& out, std::string_view text);
void append_parse(std::string& out, std::string_view name, std::string_view text,
                  std::uint16_t type_count = 0, std::string_view types = {});
// `after_names` is a Bind's body behind its two names.
void append_bind(std::string& out, std::string_view portal, std::string_view statement,
                 std::string_view after_names);
enum class Target : char { statement = 'S', portal = 'P' };
void append_describe(std::string& out, Target target, std::string_view name);
void append_close(std::string& out, Target target, std::string_view name);
void append_execute(std::string& out, std::string_view portal, std::uint32_t max_rows);
void append_sasl_initial(std::string& out, std::string_view mechanism, std::string_view response);
void append_sasl_response(std::string& out, std::string_view response);
void append_password(std::string& out, std::string_view password);
// Sync, Flush, CopyDone, Terminate.
void append_empty(std::string& out, char type);
void append_header(std::string& out, char type, std::size_t body_size);

// To an agent.
struct ErrorText {
  std::string_view severity = "ERROR";  // or FATAL
  std::string_view code;                // SQLSTATE
  std::string_view message;
  std::string_view detail;  // these three are left out where empty
  std::string_view hint;
  std::size_t position = 0;  // 1-based, in characters; 0: none
};
void append_error(std::string& out, const ErrorText& error);
void append_authentication_ok(std::string& out);
void append_authentication_sasl(std::string& out, std::span<const std::string_view> mechanisms);
void append_sasl_continue(std::string& out, std::string_view data);
void append_sasl_final(std::string& out, std::string_view data);
void append_parameter_status(std::string& out, std::string_view name, std::string_view value);
void append_backend_key(std::string& out, std::uint32_t process, std::string_view key);
void append_ready(std::string& out, char state);
void append_negotiate_version(std::string& out, std::uint32_t minor,
                              std::span<const std::string_view> unknown);

}  // namespace clawpatrol::postgres
