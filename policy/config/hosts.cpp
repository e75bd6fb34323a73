#include "policy/config/hosts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace clawpatrol::config {
namespace {

using Failure = std::unexpected<HostProblem>;

struct Split {
  std::string_view host;
  std::optional<std::string_view> port;
};

std::optional<Split> split(std::string_view text) {
  if (text.starts_with('[')) {
    std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view rest = text.substr(end + 1);
    if (rest.empty()) return Split{text.substr(1, end - 1), std::nullopt};
    if (rest[0] != ':') return std::nullopt;
    return Split{text.substr(1, end - 1), rest.substr(1)};
  }
  std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || text.find(':', colon + 1) != std::string_view::npos)
    return Split{text, std::nullopt};  // no port, or an IPv6 address without brackets
  return Split{text.substr(0, colon), text.substr(colon + 1)};
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (failure != std::errc() || end != text.data() + text.size() || port == 0 || text[0] == '0')
    return std::nullopt;
  return port;
}

bool is_label(std::string_view label) {
  auto valid = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_'; };
  return !label.empty() && label.size() <= 63 && std::ranges::all_of(label, valid) && label.front() != '-' &&
         label.back() != '-';
}

// A name as DNS and TLS would have it, in lower case and without a trailing dot.
std::optional<std::string> canonical_name(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty() || text.size() > 253) return std::nullopt;
  std::string name(text);
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (std::string_view rest = name;;) {
    std::size_t dot = rest.find('.');
    if (!is_label(rest.substr(0, dot))) return std::nullopt;
    if (dot == std::string_view::npos) {
      // A last label of digits is a misspelled address, and some resolvers would read it as one.
      bool digits = std::ranges::all_of(rest, [](char c) { return c >= '0' && c <= '9'; });
      return digits || rest.starts_with("0x") ? std::nullopt : std::optional(name);
    }
    rest.remove_prefix(dot + 1);
  }
}

Failure not_a_host(std::string_view text) {
  if (text.contains("://") || text.contains('@') || text.contains('/'))
    return Failure({fmt::format("not a host: '{}'", text.contains('@') ? "..." : text),
                    "Write host:port, without scheme, user or path."});
  return Failure({fmt::format("not a host: '{}'", text),
                  "Write a name, an address or *.suffix, then a colon and the port; brackets around IPv6."});
}

}  // namespace

std::expected<HostPort, HostProblem> parse_host(std::string_view text,
                                                std::optional<std::uint16_t> default_port) {
  std::optional<Split> parts = split(text);
  if (!parts) return not_a_host(text);
  HostPort out;
  std::optional<std::uint16_t> port = parts->port ? parse_port(*parts->port) : default_port;
  out.wildcard = parts->host.starts_with("*.");
  std::string_view host = parts->host.substr(out.wildcard ? 2 : 0);
  out.address = out.wildcard ? std::nullopt : Address::parse(host);
  std::optional<std::string> name = out.address ? out.address->text() : canonical_name(host);
  if (!name || (text.starts_with('[') && !out.address)) return not_a_host(text);
  if (out.wildcard && !name->contains('.'))
    return Failure({fmt::format("wildcard is too wide: '{}'", text),
                    "A suffix has at least two labels: *.example.com."});
  if (!port) {
    if (parts->port) return Failure({fmt::format("not a port: '{}'", *parts->port), "A port is 1 to 65535."});
    return Failure({fmt::format("port is missing: '{}'", text), "Write host:port."});
  }
  out.host = std::move(*name);
  out.port = *port;
  return out;
}

bool covers(const HostPort& claimed, const HostPort& wanted) {
  if (wanted.wildcard || claimed.port != wanted.port) return false;
  if (!claimed.wildcard) return claimed.host == wanted.host;
  return !wanted.address && wanted.host.size() > claimed.host.size() + 1 &&
         wanted.host.ends_with(claimed.host) &&
         wanted.host[wanted.host.size() - claimed.host.size() - 1] == '.';
}

std::string text_of(const HostPort& host) {
  bool brackets = host.address && !host.address->is_v4();
  return fmt::format("{}{}{}{}:{}", host.wildcard ? "*." : "", brackets ? "[" : "", host.host,
                     brackets ? "]" : "", host.port);
}

}  // namespace clawpatrol::config
