#include "tests/daemon/tls/pair.h"

using namespace clawpatrol;
using namespace clawpatrol::tls;
using Result = Session::Result;

namespace {

// The gateway on both sides of one connection.
struct Both {
  std::unique_ptr<Session> client, server;
  Result result = Result::needs_bytes;

  Both(const ClientContext& context, Wish wish, Serving with) {
    client = Session::client(context, std::move(wish));
    server = Session::server(*test_context(), std::move(with));
    Result other = Result::needs_bytes;
    for (int turn = 0; turn < 10; ++turn) {
      if (result == Result::needs_bytes) result = client->handshake();
      move(*client, *server);
      if (other == Result::needs_bytes) other = server->handshake();
      move(*server, *client);
    }
    char space[10];
    std::size_t count = 0;
    if (result == Result::done) (void)client->read(space, count);  // tickets
  }
  static void move(Session& from, Session& to) {
    std::string bytes;
    from.take_to_send(bytes);
    to.received(bytes);
  }
};

std::shared_ptr<const ClientContext> trusting(std::string_view roots) {
  return *ClientContext::create(Verify::full, roots);
}

}  // namespace

TEST_CASE("a session is resumed under the key that it was kept under, and once") {
  auto context = trusting(test_authority().certificate_pem());
  KeptSessions kept;
  const auto resumed = [&](const std::string& key) {
    Both both(*context, {.name = "a.example", .sessions = &kept, .session_key = key}, serving("a.example"));
    REQUIRE(both.result == Result::done);
    return both.client->resumed();
  };
  CHECK_FALSE(resumed("one"));
  CHECK(kept.size() == 1);
  CHECK_FALSE(resumed("two"));
  CHECK(resumed("one"));
  CHECK(resumed("two"));
  CHECK(kept.size() == 2);  // each handshake gives a new one
}

TEST_CASE("attack 15: who keeps no sessions leaves none") {
  auto context = trusting(test_authority().certificate_pem());
  KeptSessions kept;
  Both both(*context, {.name = "a.example"}, serving("a.example"));
  CHECK(both.result == Result::done);
  CHECK(kept.size() == 0);
}

TEST_CASE("kept sessions are bounded, in all and of one key") {
  auto context = trusting(test_authority().certificate_pem());
  KeptSessions kept(6);
  for (int i = 0; i < 10; ++i) {
    const std::string key = std::to_string(i);
    Both both(*context, {.name = "a.example", .sessions = &kept, .session_key = key}, serving("a.example"));
    REQUIRE(both.result == Result::done);
    CHECK(kept.size() <= 6);
  }
  CHECK_FALSE(kept.take("0"));
  CHECK(kept.take("9"));
  CHECK_FALSE(kept.take("9"));
}

TEST_CASE("the protocol is the server's choice among those that are offered") {
  auto context = trusting(test_authority().certificate_pem());
  Both both(*context, {.name = "a.example", .protocols = {"h2", "http/1.1"}},
            serving("a.example", "http/1.1"));
  REQUIRE(both.result == Result::done);
  CHECK(both.client->protocol() == "http/1.1");
  CHECK(both.client->end_point() == both.server->end_point());
  CHECK(both.client->end_point().size() == 32);
}

TEST_CASE(
    "a client shows its certificate to a server that asks for it, and to no other server than it should") {
  const Signed root = authority("clients' root");
  const Signed own =
      sign(ec_key(), {.common_name = "gateway", .alternative = "", .usage = "clientAuth"}, &root);
  std::unique_ptr<BIO, decltype(&BIO_free)> key(BIO_new(BIO_s_mem()), BIO_free);
  PEM_write_bio_PrivateKey(key.get(), own.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  char* text = nullptr;
  const long size = BIO_get_mem_data(key.get(), &text);
  const std::string key_pem(text, static_cast<std::size_t>(size));

  const Signed trusted = authority("trusted root");
  const Signed identity = sign(ec_key(), {}, &trusted);
  auto context = ClientContext::create(Verify::full, trusted.pem(),
                                       {.certificates = own.pem() + root.pem(), .key = key_pem});
  REQUIRE(context);
  Server server(identity);
  X509_STORE* store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(server.ssl()));
  X509_STORE_add_cert(store, root.certificate.get());
  SSL_set_verify(server.ssl(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  auto client = Session::client(**context, {.name = "db.internal"});
  Result result = Result::needs_bytes;
  for (int turn = 0; turn < 10; ++turn) {
    if (result == Result::needs_bytes) result = client->handshake();
    std::string bytes;
    client->take_to_send(bytes);
    server.received(bytes);
    SSL_do_handshake(server.ssl());
    client->received(server.take_to_send());
  }
  CHECK(result == Result::done);
  REQUIRE(SSL_is_init_finished(server.ssl()));
  CHECK(SSL_get_verify_result(server.ssl()) == X509_V_OK);
  TestCertificate shown(SSL_get1_peer_certificate(server.ssl()), X509_free);
  REQUIRE(shown);
  CHECK(X509_cmp(shown.get(), own.certificate.get()) == 0);
}

TEST_CASE("a certificate without its key, or with another's, is no identity") {
  const Signed own = sign(ec_key(), {}), other = sign(ec_key(), {});
  CHECK_FALSE(ClientContext::create(Verify::full, "", {.certificates = own.pem(), .key = ""}));
  CHECK_FALSE(ClientContext::create(Verify::full, "", {.certificates = "no", .key = "no"}));
  std::unique_ptr<BIO, decltype(&BIO_free)> key(BIO_new(BIO_s_mem()), BIO_free);
  PEM_write_bio_PrivateKey(key.get(), other.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  char* text = nullptr;
  const long size = BIO_get_mem_data(key.get(), &text);
  CHECK_FALSE(ClientContext::create(
      Verify::full, "",
      {.certificates = own.pem(), .key = std::string_view(text, static_cast<std::size_t>(size))}));
}
