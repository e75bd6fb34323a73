// What the gateway is to reach: whether anybody answers, and whether the certificate would be taken.
#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <expected>
#include <memory>

#include "cpctl/doctor.h"
#include "cpctl/printable.h"
#include "daemon/gateway/upstream_contexts.h"
#include "daemon/ring/fd.h"
#include "daemon/tls/session.h"
#include "parsers/postgres/build.h"

namespace clawpatrol::cpctl {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds patience(2);  // for one address, and for one handshake
constexpr std::int64_t soon_days = 14;
constexpr std::size_t longest_handshake = 256 << 10;  // bytes of a server

// Until then; errno says why it is not.
bool is_ready(int fd, short events, Clock::time_point until) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
  pollfd ready{fd, events, 0};
  const int count = ::poll(&ready, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
  if (count == 0) errno = ETIMEDOUT;
  return count == 1;
}

// A connection, or why there is none.
std::expected<Fd, std::string> reach(const HostPort& host) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (int code = ::getaddrinfo(host.host.c_str(), std::to_string(host.port).c_str(), &hints, &found);
      code != 0)
    return std::unexpected(::gai_strerror(code));
  std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(found, &::freeaddrinfo);
  std::string why = "no address";
  for (const addrinfo* each = found; each; each = each->ai_next) {
    Fd fd(::socket(each->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) continue;
    if (::connect(fd.get(), each->ai_addr, each->ai_addrlen) == 0) return fd;
    int problem = errno;
    if (problem == EINPROGRESS) {
      problem = ETIMEDOUT;
      socklen_t size = sizeof problem;
      if (is_ready(fd.get(), POLLOUT, Clock::now() + patience))
        ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &problem, &size);
      if (problem == 0) return fd;
    }
    why = std::strerror(problem);
  }
  return std::unexpected(why);
}

bool send_all(int fd, std::string_view bytes, Clock::time_point until) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count > 0)
      bytes.remove_prefix(static_cast<std::size_t>(count));
    else if (errno != EAGAIN || !is_ready(fd, POLLOUT, until))
      return false;
  }
  return true;
}

// How many came; 0: it has ended; -1: errno says why not.
ssize_t receive(int fd, std::span<char> space, Clock::time_point until) {
  if (!is_ready(fd, POLLIN, until)) return -1;
  return ::recv(fd, space.data(), space.size(), 0);
}

// How the encryption with a server was agreed on.
struct Encrypted {
  std::string failure;                    // ""; or why it was not
  std::optional<std::int64_t> ends_unix;  // the server's certificate, where one was shown and taken
};

Encrypted failed(std::string why) {
  return {std::move(why), std::nullopt};
}

Encrypted shake_hands(int fd, const tls::ClientContext& context, const std::string& name,
                      Clock::time_point until) {
  auto session = tls::Session::client(context, {.name = name});
  std::array<char, 4096> space;
  for (std::size_t received = 0; received < longest_handshake;) {
    const auto result = session->handshake();
    std::string out;
    session->take_to_send(out);
    const bool sent = send_all(fd, out, until);
    if (result == tls::Session::Result::failed) return {session->failure(), session->server_ends_unix()};
    if (result == tls::Session::Result::done) return {"", session->server_ends_unix()};
    const ssize_t count = sent ? receive(fd, space, until) : -1;
    if (count <= 0)
      return {fmt::format("no TLS: {}", count == 0 ? "it ends the connection" : std::strerror(errno)),
              session->server_ends_unix()};
    session->received({space.data(), static_cast<std::size_t>(count)});
    received += static_cast<std::size_t>(count);
  }
  return failed("no TLS: its handshake has no end");
}

Encrypted look_at_encryption(int fd, const EndpointConfig& endpoint, const std::string& name) {
  UpstreamContexts contexts;
  auto context = contexts.of(endpoint);
  if (!context) return failed(context.error().what);
  const auto until = Clock::now() + patience;
  if (endpoint.type == EndpointType::postgres) {
    std::string request;
    postgres::append_ssl_request(request);
    char answer = 0;
    if (!send_all(fd, request, until) || receive(fd, {&answer, 1}, until) != 1)
      return failed("it does not answer as PostgreSQL does");
    if (answer != 'S') return failed("it offers no TLS");
  }
  return shake_hands(fd, **context, name, until);
}

// The credential by which the gateway shows the server a certificate of its own, which nobody here has; "":
// there is none.
std::string shown_certificate(const Policy& policy, const std::string& endpoint) {
  auto found = std::ranges::find_if(policy.credentials, [&](const auto& each) {
    return each.second.endpoint == endpoint && each.second.type == CredentialType::mtls;
  });
  return found == policy.credentials.end() ? "" : found->first;
}

Finding look_at(const Policy& policy, const std::string& name, const HostPort& host, std::int64_t now_unix) {
  const EndpointConfig& endpoint = policy.endpoints.find(name)->second;
  const std::string subject = "endpoint " + name;
  const bool numbers = host.host.find(':') != std::string::npos;  // of IPv6
  const std::string where =
      fmt::format("{}{}{}:{}", numbers ? "[" : "", host.host, numbers ? "]" : "", host.port);
  auto reached = reach(host);
  if (!reached)
    return {
        Health::warning, subject, fmt::format("{} cannot be reached from here: {}", where, reached.error()),
        fmt::format("getent ahosts {}; then look at the way there, and at [endpoint.{}]", host.host, name)};
  if (endpoint.type == EndpointType::http || endpoint.tls == UpstreamTls::disable)
    return {Health::good, subject, where + " answers; without TLS, as configured", ""};
  const std::string show = fmt::format("openssl s_client -connect {}{}{} -showcerts </dev/null", where,
                                       host.address ? "" : " -servername " + host.host,
                                       endpoint.type == EndpointType::postgres ? " -starttls postgres" : "");
  const Encrypted encrypted = look_at_encryption(reached->get(), endpoint, host.host);
  // A server that wants a certificate ends the handshake where none is shown, before or (TLS 1.3) behind its
  // end.
  const std::string own = shown_certificate(policy, name);
  const bool withheld = !own.empty() && encrypted.ends_unix;
  if (!encrypted.failure.empty() && !withheld)
    return {Health::bad, subject, fmt::format("{} answers, but {}", where, printable(encrypted.failure)),
            show};
  const bool verified = endpoint.tls == UpstreamTls::verify_full;
  std::string so = verified                                 ? "its certificate is good for that name"
                   : endpoint.tls == UpstreamTls::verify_ca ? "its certificate is good, for whatever name"
                                                            : "its certificate is not looked at";
  if (!encrypted.ends_unix) return {Health::good, subject, fmt::format("{} answers; {}", where, so), ""};
  const std::int64_t days = (*encrypted.ends_unix - now_unix) / 86400;
  if (days < soon_days)
    return {Health::warning, subject, fmt::format("{} answers; its certificate ends in {} days", where, days),
            show};
  so += fmt::format(", for {} days", days);
  if (!own.empty()) so += fmt::format("; whether it takes that of credential {} only a request shows", own);
  return {Health::good, subject, fmt::format("{} answers; {}", where, so), ""};
}

}  // namespace

void look_at_upstreams(const Policy& policy, std::int64_t now_unix, Findings& findings) {
  for (const auto& [name, endpoint] : policy.endpoints)
    for (const HostPort& host : endpoint.hosts)
      if (!host.wildcard) findings.push_back(look_at(policy, name, host, now_unix));
}

}  // namespace clawpatrol::cpctl
