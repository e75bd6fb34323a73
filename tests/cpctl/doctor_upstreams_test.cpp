#include <arpa/inet.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <ctime>
#include <optional>
#include <thread>

#include "cpctl/doctor.h"
#include "daemon/ring/fd.h"
#include "tests/daemon/tls/authority.h"

using namespace clawpatrol;
using namespace clawpatrol::cpctl;

namespace {

// A server on loopback for one connection: OpenSSL's own, behind PostgreSQL's request for it where that is
// asked for.
class OneServer {
 public:
  struct Shown {
    const tls::Signed* identity = nullptr;  // null: it speaks no TLS
    char answer = 0;                        // to an SSLRequest; 0: none is expected
    int wants_certificate_by = 0;  // the version of TLS in which it must have one; 0: it asks for none
  };
  explicit OneServer(Shown shown) : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listener_.get(), 1) == 0);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    const int version = shown.wants_certificate_by;
    if (shown.identity && version == 0) server_.emplace(*shown.identity);
    if (shown.identity && version != 0) {
      server_.emplace(*shown.identity, version, version);
      SSL_set_verify(server_->ssl(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
    thread_ = std::thread([this, shown] { serve(shown); });
  }
  ~OneServer() { thread_.join(); }
  std::uint16_t port = 0;

 private:
  void serve(Shown shown) {
    Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    char bytes[4096];
    if (shown.answer != 0 &&
        (::recv(fd.get(), bytes, 8, MSG_WAITALL) != 8 || ::send(fd.get(), &shown.answer, 1, 0) != 1))
      return;
    if (!server_) return;
    while (true) {
      const bool done = SSL_do_handshake(server_->ssl()) == 1;
      const std::string out = server_->take_to_send();
      if (!out.empty()) (void)::send(fd.get(), out.data(), out.size(), MSG_NOSIGNAL);
      if (done || SSL_get_error(server_->ssl(), -1) == SSL_ERROR_SSL) return;
      const ssize_t count = ::recv(fd.get(), bytes, sizeof bytes, 0);
      if (count <= 0) return;
      server_->received({bytes, static_cast<std::size_t>(count)});
    }
  }
  Fd listener_;
  std::optional<tls::Server> server_;
  std::thread thread_;
};

struct Asked {
  EndpointType type = EndpointType::https;
  UpstreamTls tls = UpstreamTls::verify_full;
  std::string roots = {};
  CredentialType credential = CredentialType::bearer;
};

Finding looked_at(OneServer::Shown shown, const Asked& asked) {
  OneServer server(shown);
  Policy policy;
  EndpointConfig& endpoint = policy.endpoints["db"];
  endpoint.name = "db", endpoint.type = asked.type, endpoint.tls = asked.tls, endpoint.ca = asked.roots;
  HostPort host;
  host.host = "127.0.0.1", host.port = server.port, host.address = *Address::parse("127.0.0.1");
  endpoint.hosts = {host};
  CredentialConfig& credential = policy.credentials["own"];
  credential.name = "own", credential.endpoint = "db", credential.type = asked.credential;
  Findings findings;
  look_at_upstreams(policy, std::time(nullptr), findings);
  REQUIRE(findings.size() == 1);
  INFO(findings[0].said);
  CHECK(findings[0].subject == "endpoint db");
  CHECK(findings[0].mend.empty() == (findings[0].health == Health::good));
  return findings[0];
}

bool says(const Finding& finding, Health health, std::string_view text) {
  INFO(finding.said);
  CHECK(finding.health == health);
  return finding.health == health && finding.said.find(text) != std::string::npos;
}

tls::Signed certificate(const tls::Signed& root, const std::string& alternative, long from_s, long until_s) {
  return tls::sign(tls::ec_key(), {.alternative = alternative, .from_s = from_s, .until_s = until_s}, &root);
}

}  // namespace

TEST_CASE(
    "doctor: a server's certificate is judged as the gateway would, for the name that it is dialled by") {
  constexpr long day = 86400;
  const tls::Signed root = tls::authority("root"), other = tls::authority("other");
  const std::string right = "IP:127.0.0.1";
  const tls::Signed good = certificate(root, right, -day, 90 * day + 600),
                    ends = certificate(root, right, -day, 3 * day),
                    expired = certificate(root, right, -3 * day, -day),
                    elsewhere = certificate(root, "DNS:elsewhere", -day, 90 * day);
  CHECK(says(looked_at({&good}, {.roots = root.pem()}), Health::good, "good for that name, for 90 days"));
  CHECK(says(looked_at({&ends}, {.roots = root.pem()}), Health::warning, "ends in "));
  CHECK(says(looked_at({&expired}, {.roots = root.pem()}), Health::bad, "expired"));
  CHECK(says(looked_at({&elsewhere}, {.roots = root.pem()}), Health::bad, "refused"));
  CHECK(says(looked_at({&good}, {.roots = other.pem()}), Health::bad, "refused"));
  CHECK(says(looked_at({&elsewhere}, {.tls = UpstreamTls::verify_ca, .roots = root.pem()}), Health::good,
             "for whatever name"));
  CHECK(says(looked_at({&good}, {.tls = UpstreamTls::require}), Health::good, "not looked at"));
  CHECK(says(looked_at({}, {.roots = root.pem()}), Health::bad, "no TLS"));
  CHECK(says(looked_at({}, {.tls = UpstreamTls::disable}), Health::good, "without TLS"));
}

TEST_CASE(
    "doctor: a server that wants a certificate of the gateway, which only the daemon has, is not called "
    "broken") {
  constexpr long day = 86400;
  const tls::Signed root = tls::authority("root"),
                    good = certificate(root, "IP:127.0.0.1", -day, 90 * day + 600),
                    ends = certificate(root, "IP:127.0.0.1", -day, 3 * day),
                    expired = certificate(root, "IP:127.0.0.1", -3 * day, -day);
  const Asked mtls{.roots = root.pem(), .credential = CredentialType::mtls};
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    INFO(version);
    const Finding found = looked_at({&good, 0, version}, mtls);
    CHECK(says(found, Health::good,
               "good for that name, for 90 days; whether it takes that of credential own only"));
    CHECK(says(looked_at({&ends, 0, version}, mtls), Health::warning, "ends in "));
    CHECK(says(looked_at({&expired, 0, version}, mtls), Health::bad, "expired"));
  }
  CHECK(says(looked_at({&good}, mtls), Health::good, "only a request shows"));
  CHECK(says(looked_at({}, mtls), Health::bad, "no TLS"));
  // Where the gateway has none to show, it is refused as we are.
  CHECK(says(looked_at({&good, 0, TLS1_2_VERSION}, {.roots = root.pem()}), Health::bad, "TLS failed"));
}

TEST_CASE("doctor: PostgreSQL is asked for TLS first") {
  const tls::Signed root = tls::authority("root"), good = certificate(root, "IP:127.0.0.1", -60, 8640000);
  const Asked asked{.type = EndpointType::postgres, .roots = root.pem()};
  const Finding found = looked_at({&good, 'S'}, asked);
  CHECK(says(found, Health::good, "good for that name"));
  CHECK(says(looked_at({nullptr, 'N'}, asked), Health::bad, "it offers no TLS"));
  const Finding other = looked_at({nullptr, 'E'}, asked);
  CHECK(other.mend.find("-starttls postgres") != std::string::npos);
}
