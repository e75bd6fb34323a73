// TLS with agents over real sockets: OpenSSL's client in a thread of its own, the gateway on a ring.
#include "daemon/gateway/agent_tls.h"

#include <sys/socket.h>

#include "daemon/gateway/leaves.h"
#include "tests/daemon/gateway/dns_fixture.h"
#include "tests/daemon/tls/pair.h"

using namespace clawpatrol;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view protocols[] = {"h2", "http/1.1"};
const std::string h2_and_1 = "\x02h2\x08http/1.1";

struct TlsGateway : dns_test::Gateway {
  TlsGateway() : Gateway(dns_test::load(dns_test::two_profiles)) {
    shared.authority = *tls::Authority::open(*tls::make_authority(tls::now()));
    shared.leaves = std::make_unique<Leaves>(*shared.authority);
    shared.server_context = tls::test_context();
  }
  ~TlsGateway() { shared.leaves.reset(); }
};

struct Outcome {
  std::optional<AgentTls> agreed;
  const char* refusal = nullptr;
  std::string refusal_detail;
  std::string heard;  // by the gateway, to the end
  std::int32_t end = 1;
};

Task<void> serve(Worker& worker, Fd socket, const ClaimedFlow& claimed, Outcome& outcome) {
  Stream agent(worker.ring(), std::move(socket));
  const Deadline deadline = Deadline::after(20s);
  Opening opening = co_await read_opening(worker.ring(), agent.fd(), deadline);
  auto agreed =
      co_await accept_tls(worker, agent, claimed, std::move(opening), {.ours = protocols}, deadline);
  if (!agreed) {
    outcome.refusal = agreed.error().what;
    outcome.refusal_detail = agreed.error().detail;
    co_return;
  }
  outcome.agreed = *agreed;
  char space[100];
  while ((outcome.end = co_await agent.recv(space, deadline)) > 0) {
    outcome.heard.append(space, static_cast<std::size_t>(outcome.end));
    (void)co_await agent.send_all({space, static_cast<std::size_t>(outcome.end)}, deadline);
  }
  agent.shut_down(SHUT_RDWR);
}

ClaimedFlow claim_of(TlsGateway& gateway, const std::string& host) {
  ClaimedFlow claimed;
  claimed.peer = gateway.one;
  claimed.endpoint_facets = {.name = "api", .type = "https"};
  claimed.dest = {.host = host, .port = 443};
  return claimed;
}

using Act = std::function<void(SSL*, int)>;

// What the gateway makes of a client that has begun, whose other end is driven by `act` in a thread.
Outcome meet(TlsGateway& gateway, const ClaimedFlow& claimed, tls::Client& client, const Act& act) {
  int fds[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
  Fd agent_end(fds[0]);
  Outcome outcome;
  std::thread agent([&] {
    SSL_set_fd(client.ssl(), agent_end.get());
    act(client.ssl(), agent_end.get());
    ::shutdown(agent_end.get(), SHUT_WR);
  });
  auto server_end = std::make_shared<Fd>(fds[1]);
  gateway.run([&, server_end] {
    gateway.worker->flows().spawn(serve(*gateway.worker, std::move(*server_end), claimed, outcome));
  });
  agent.join();
  return outcome;
}

void say_hello(SSL* ssl, int) {
  if (SSL_connect(ssl) != 1) return;
  SSL_write(ssl, "hello", 5);
  char space[10];
  SSL_read(ssl, space, sizeof space);
  SSL_shutdown(ssl);
}

int alert_in(int fd) {
  char record[8];
  const ssize_t size = ::recv(fd, record, sizeof record, MSG_WAITALL);
  return size == 7 && record[0] == 21 ? static_cast<unsigned char>(record[6]) : -1;
}

// Sends a ClientHello, and hears what comes in its place.
Act hear_alert(int& alert) {
  return [&alert](SSL* ssl, int fd) {
    BIO* bio = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), bio);
    SSL_do_handshake(ssl);
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio, &bytes);
    CHECK(::send(fd, bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL) == size);
    alert = alert_in(fd);
  };
}

}  // namespace

TEST_CASE("an agent's TLS ends at the gateway, under the name that it dialled") {
  TlsGateway gateway;
  tls::Client client(gateway.shared.authority->certificate_pem());
  client.begin("api.example", h2_and_1);
  const Outcome outcome = meet(gateway, claim_of(gateway, "api.example"), client, say_hello);
  REQUIRE(outcome.agreed);
  CHECK(outcome.agreed->name == "api.example");
  CHECK(outcome.agreed->protocol == "h2");
  CHECK(outcome.heard == "hello");
  CHECK(outcome.end == 0);
}

TEST_CASE("a ClientHello in many segments, and bytes of the next message behind it, are read") {
  TlsGateway gateway;
  tls::Client client(gateway.shared.authority->certificate_pem());
  client.begin("api.example", "\x08http/1.1");
  const Outcome outcome = meet(gateway, claim_of(gateway, "api.example"), client, [](SSL* ssl, int fd) {
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, in, out);
    bool said = false;
    char bytes[4096];
    while (true) {
      if (SSL_do_handshake(ssl) == 1 && !said) {
        said = true;
        SSL_write(ssl, "hello", 5);
        SSL_shutdown(ssl);
      }
      // One byte a segment.
      for (int size; (size = BIO_read(out, bytes, 1)) > 0;)
        if (::send(fd, bytes, 1, MSG_NOSIGNAL) != 1) return;
      if (said) return;
      const ssize_t size = ::recv(fd, bytes, sizeof bytes, 0);
      if (size <= 0) return;
      BIO_write(in, bytes, static_cast<int>(size));
    }
  });
  REQUIRE(outcome.agreed);
  CHECK(outcome.agreed->protocol == "http/1.1");
  CHECK(outcome.heard == "hello");
}

TEST_CASE("attack 11: a server name that is not the one that was dialled is refused before any handshake") {
  TlsGateway gateway;
  for (const auto& [dialled, sent] :
       {std::pair{"api.example", "other.example"}, std::pair{"10.0.0.1", "api.example"}}) {
    tls::Client client(gateway.shared.authority->certificate_pem());
    client.begin(sent);
    int alert = 0;
    const Outcome outcome = meet(gateway, claim_of(gateway, dialled), client, hear_alert(alert));
    REQUIRE(outcome.refusal);
    CHECK(outcome.refusal == std::string("TLS for another name than the one that was dialled"));
    CHECK(alert == SSL_AD_UNRECOGNIZED_NAME);
    CHECK(gateway.shared.leaves->size() == 0);  // attack 28: for claimed names alone
  }
}

TEST_CASE(
    "attack 11: a name that is hidden in an encrypted ClientHello: the outer one counts, claimed or not") {
  TlsGateway gateway;
  tls::Client client(gateway.shared.authority->certificate_pem());
  tls::HiddenName hidden(client);
  SECTION("claimed: it is served, and the agent sees by its certificate that nothing was uncovered") {
    client.begin("api.example", h2_and_1);
    const Outcome outcome = meet(gateway, claim_of(gateway, "api.example"), client, say_hello);
    REQUIRE(outcome.agreed);
    CHECK(outcome.agreed->name == "api.example");
    CHECK(outcome.heard == "hello");
  }
  SECTION("not claimed: nothing is, whatever is hidden behind it") {
    client.begin("public-name.example");
    int alert = 0;
    const Outcome outcome = meet(gateway, claim_of(gateway, "api.example"), client, hear_alert(alert));
    REQUIRE(outcome.refusal);
    CHECK(outcome.refusal == std::string("TLS for another name than the one that was dialled"));
    CHECK(alert == SSL_AD_UNRECOGNIZED_NAME);
    CHECK(gateway.shared.leaves->size() == 0);
  }
  CHECK(hidden.offered == 1);
  CHECK(hidden.answered == 0);
}

TEST_CASE("without a server name the address that was dialled says which it is") {
  TlsGateway gateway;
  tls::Client client(gateway.shared.authority->certificate_pem());
  client.begin("");
  SSL_set1_host(client.ssl(), "api.example");
  const Outcome outcome = meet(gateway, claim_of(gateway, "api.example"), client, say_hello);
  REQUIRE(outcome.agreed);
  CHECK(outcome.agreed->name.empty());
  CHECK(outcome.heard == "hello");
}

TEST_CASE("an address that the policy names is served without a server name") {
  TlsGateway gateway;
  tls::Client client(gateway.shared.authority->certificate_pem());
  client.begin("");
  X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(client.ssl()), "10.0.0.1");
  const Outcome outcome = meet(gateway, claim_of(gateway, "10.0.0.1"), client, say_hello);
  REQUIRE(outcome.agreed);
  CHECK(outcome.heard == "hello");
}

TEST_CASE("a protocol that is not served is told so") {
  TlsGateway gateway;
  tls::Client client(gateway.shared.authority->certificate_pem());
  client.begin("api.example", "\x0apostgresql");
  int alert = 0;
  const Outcome outcome = meet(gateway, claim_of(gateway, "api.example"), client, hear_alert(alert));
  CHECK(outcome.refusal == std::string("TLS for a protocol that is not served"));
  CHECK(alert == 120);
}

TEST_CASE("what is no TLS is not served") {
  TlsGateway gateway;
  tls::Client client(gateway.shared.authority->certificate_pem());
  client.begin("api.example");
  const Outcome outcome = meet(gateway, claim_of(gateway, "api.example"), client, [](SSL*, int fd) {
    CHECK(::send(fd, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL) == 18);
  });
  CHECK(outcome.refusal == std::string("no TLS where TLS is spoken"));
}

TEST_CASE("an agent that does not trust the authority is counted as one") {
  TlsGateway gateway;
  const tls::Signed stranger = tls::authority("stranger");
  tls::Client client(stranger.pem());
  client.begin("api.example");
  const Outcome outcome = meet(gateway, claim_of(gateway, "api.example"), client, say_hello);
  CHECK(outcome.refusal == std::string("TLS: the agent does not trust the gateway's authority"));
}

TEST_CASE("attack 15: a ticket of one peer is of no use to another, nor for another name") {
  TlsGateway gateway;
  tls::Client client(gateway.shared.authority->certificate_pem());
  const auto resumed = [&](std::shared_ptr<const Peer> peer, const std::string& name) {
    ClaimedFlow claimed = claim_of(gateway, name);
    claimed.peer = std::move(peer);
    client.begin(name);
    const Outcome outcome = meet(gateway, claimed, client, say_hello);
    REQUIRE(outcome.agreed);
    return SSL_session_reused(client.ssl()) == 1;
  };
  CHECK_FALSE(resumed(gateway.one, "api.example"));
  CHECK(resumed(gateway.one, "api.example"));
  CHECK_FALSE(resumed(gateway.two, "api.example"));
  CHECK(resumed(gateway.two, "api.example"));
  CHECK_FALSE(resumed(gateway.two, "other.example"));
  auto rekeyed = std::make_shared<Peer>(*gateway.two);
  rekeyed->key_fingerprint = 99;
  CHECK(resumed(gateway.two, "other.example"));
  CHECK_FALSE(resumed(rekeyed, "other.example"));
}
