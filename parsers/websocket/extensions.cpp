#include "parsers/websocket/extensions.h"

#include <optional>
#include <utility>

#include "parsers/http1/text.h"

namespace clawpatrol::websocket {
namespace {

// The parameters of one permessage-deflate; bits of 0: the parameter has no value.
struct Parameters {
  bool server_forgets = false, client_forgets = false;
  std::optional<int> server_bits, client_bits;
};

// 8 to 15. Quotes around it are allowed by the grammar, and written by nobody.
std::optional<int> bits_of(std::string_view text) {
  if (text.size() == 1 && (text[0] == '8' || text[0] == '9')) return text[0] - '0';
  if (text.size() == 2 && text[0] == '1' && text[1] >= '0' && text[1] <= '5') return 10 + text[1] - '0';
  return std::nullopt;
}

// False: a parameter that is unknown, stands twice, or has no such value.
bool read_parameter(std::string_view text, Parameters& into) {
  const std::size_t equals = text.find('=');
  const std::string_view name = http1::trimmed(text.substr(0, equals));
  const bool bare = equals == std::string_view::npos;
  const std::string_view value = bare ? std::string_view() : http1::trimmed(text.substr(equals + 1));
  if (name == "server_no_context_takeover") return bare && !std::exchange(into.server_forgets, true);
  if (name == "client_no_context_takeover") return bare && !std::exchange(into.client_forgets, true);
  std::optional<int>* bits = name == "server_max_window_bits"   ? &into.server_bits
                             : name == "client_max_window_bits" ? &into.client_bits
                                                                : nullptr;
  if (!bits || bits->has_value()) return false;
  *bits = bare && bits == &into.client_bits ? std::optional(0) : bits_of(value);
  return bits->has_value();
}

std::optional<Parameters> read_extension(std::string_view text) {
  std::size_t end = text.find(';');
  if (http1::trimmed(text.substr(0, end)) != "permessage-deflate") return std::nullopt;
  Parameters read;
  while (end != std::string_view::npos) {
    text.remove_prefix(end + 1);
    end = text.find(';');
    if (!read_parameter(http1::trimmed(text.substr(0, end)), read)) return std::nullopt;
  }
  return read;
}

}  // namespace

std::string known_offers(std::string_view offered) {
  std::string known;
  http1::each_member(offered, [&](std::string_view member) {
    if (read_extension(member)) known.append(known.empty() ? "" : ", ").append(member);
    return true;
  });
  return known;
}

std::expected<Deflate, Malformed> settled(std::string_view answered, std::string_view offered) {
  const auto refuse = [](std::string_view why) { return std::unexpected(Malformed{why}); };
  std::optional<Parameters> chosen;
  bool good = true;
  http1::each_member(answered, [&](std::string_view member) {
    good = !chosen && (chosen = read_extension(member));
    return good;
  });
  if (!good) return refuse("WebSocket extension that was not offered");
  if (!chosen) return Deflate::no;
  if (offered.empty()) return refuse("WebSocket extension that was not offered");
  if (chosen->client_bits == 0) return refuse("client_max_window_bits without a value");
  return Deflate::negotiated;
}

}  // namespace clawpatrol::websocket
