#include "tests/daemon/tls/pair.h"

using namespace clawpatrol;
using namespace clawpatrol::tls;
using Result = Session::Result;

namespace {

const std::string h2_and_1 = "\x02h2\x08http/1.1";

std::string text_of(Certificate const& certificate, int nid) {
  const int at = X509_get_ext_by_NID(certificate.get(), nid, -1);
  if (at < 0) return "none";
  std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
  X509_EXTENSION* extension = X509_get_ext(certificate.get(), at);
  X509V3_EXT_print(out.get(), extension, 0, 0);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return (X509_EXTENSION_get_critical(extension) ? "critical " : "") +
         std::string(text, static_cast<std::size_t>(size));
}

}  // namespace

TEST_CASE("an agent that trusts the authority is served, in both versions, however its bytes are cut") {
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION})
    for (std::size_t at_a_time : {1, 7, 1 << 20}) {
      Client client(test_authority().certificate_pem());
      SSL_CTX_set_min_proto_version(client.context(), version);
      SSL_CTX_set_max_proto_version(client.context(), version);
      client.begin("api.example", h2_and_1);
      Served served(client, serving("api.example", "h2"), at_a_time);
      REQUIRE(served.result == Result::done);
      REQUIRE(served.connected);
      CHECK(SSL_version(client.ssl()) == version);
      CHECK(served.server->protocol() == "h2");
      const std::string large(40'000, 'x');
      REQUIRE(served.server->write(large) == Result::done);
      std::string heard = served.heard_by_client();
      for (std::string piece; !(piece = client.read()).empty();) heard += piece;
      CHECK(heard == large);
    }
}

TEST_CASE("a leaf is for one name, and for a server alone") {
  auto leaf = *test_authority().issue("api.example", KeyKind::ecdsa, now());
  CHECK(text_of(leaf->certificate, NID_subject_alt_name) == "DNS:api.example");
  CHECK(text_of(leaf->certificate, NID_ext_key_usage) == "TLS Web Server Authentication");
  CHECK(text_of(leaf->certificate, NID_basic_constraints) == "critical CA:FALSE");
  CHECK(text_of(leaf->certificate, NID_key_usage) == "critical Digital Signature");
  CHECK(text_of(leaf->certificate, NID_authority_key_identifier) != "none");
  auto address = *test_authority().issue("fd00::1", KeyKind::ecdsa, now());
  CHECK(text_of(address->certificate, NID_subject_alt_name) == "IP Address:FD00:0:0:0:0:0:0:1");
  CHECK(leaf->renew_at_unix > now());
  CHECK(X509_cmp_timeframe(nullptr, X509_get0_notBefore(leaf->certificate.get()),
                           X509_get0_notAfter(leaf->certificate.get())) == 0);
  for (const char* name : {"", "a,DNS:b", "a b", "*.example", "a/b", "A", "a\nb"})
    CHECK_FALSE(test_authority().issue(name, KeyKind::ecdsa, now()));
  CHECK(test_authority().issue(std::string(63, 'a') + "." + std::string(63, 'b'), KeyKind::ecdsa, now()));
}

TEST_CASE("attack 28: leaves of one kind have one key, and serial numbers of their own") {
  auto a = *test_authority().issue("a.example", KeyKind::ecdsa, now());
  auto b = *test_authority().issue("b.example", KeyKind::ecdsa, now());
  CHECK(a->key == b->key);
  CHECK(ASN1_INTEGER_cmp(X509_get0_serialNumber(a->certificate.get()),
                         X509_get0_serialNumber(b->certificate.get())) != 0);
  auto rsa = *test_authority().issue("a.example", KeyKind::rsa, now());
  CHECK(rsa->key != a->key);
  CHECK(EVP_PKEY_get_bits(rsa->key->get()) == 2048);
}

TEST_CASE("a client that takes RSA alone is served with an RSA leaf") {
  Client client(test_authority().certificate_pem());
  SSL_CTX_set_max_proto_version(client.context(), TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(client.context(), "ECDHE-RSA-AES128-GCM-SHA256");
  client.begin("api.example");
  Serving with = serving("api.example");
  with.leaf = *test_authority().issue("api.example", KeyKind::rsa, now());
  Served served(client, std::move(with));
  CHECK(served.result == Result::done);
  CHECK(served.connected);
}

TEST_CASE("what is kept of an authority makes the same one again, and another's key is refused") {
  KeptAuthority one = *make_authority(now()), other = *make_authority(now());
  auto opened =
      Authority::open({.certificate = one.certificate, .key = credentials::Secret(one.key.reveal())});
  REQUIRE(opened);
  CHECK((*opened)->certificate_pem() == one.certificate);
  CHECK((*opened)->fingerprint().size() == 64);
  CHECK((*opened)->ends_unix() > now() + 3600 * 24 * 3600);
  std::swap(one.key, other.key);
  auto refused = Authority::open(std::move(one));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what.starts_with("the key of the authority is not its certificate's"));
}

TEST_CASE("attack 15: a name that is not what our parser read ends the handshake") {
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION})
    for (const char* sent : {"other.example", ""}) {
      Client client(test_authority().certificate_pem());
      SSL_CTX_set_max_proto_version(client.context(), version);
      client.begin(sent);
      Served served(client, serving("api.example"));
      CHECK(served.result == Result::failed);
      CHECK_FALSE(served.connected);
      CHECK(served.alert == SSL_AD_UNRECOGNIZED_NAME);
      CHECK(served.server->write("secret") == Result::failed);
    }
}

TEST_CASE("a name is compared as names are: without case and the dot at its end") {
  Client client(test_authority().certificate_pem());
  client.begin("API.Example.");
  SSL_set_verify(client.ssl(), SSL_VERIFY_NONE, nullptr);
  CHECK(Served(client, serving("api.example")).result == Result::done);
}

TEST_CASE("attack 15: protocols that are not what our parser read end the handshake") {
  Client client(test_authority().certificate_pem());
  client.begin("api.example", "\x08http/1.1");
  CHECK(Served(client, serving("api.example", "h2")).result == Result::failed);
  client.begin("api.example", h2_and_1);  // our parser saw none
  CHECK(Served(client, serving("api.example", "")).result == Result::failed);
  client.begin("api.example");  // our parser saw some
  Served none(client, serving("api.example", "h2"));
  CHECK(none.result == Result::failed);
  CHECK(none.server->failure() == "TLS failed: the client named something else in its second message");
}

// A second ClientHello, after HelloRetryRequest, in which these bytes stand for those.
Served retried(Client& client, Serving with, std::string_view from, std::string_view to) {
  SSL_set1_groups_list(client.ssl(), "P-521:P-256");  // the first key share is of a group that is not ours
  Served served(client, std::move(with), [from, to](std::string& bytes, int hello) {
    const std::size_t at = bytes.find(from);
    if (hello == 2 && at != std::string::npos) bytes.replace(at, from.size(), to);
  });
  CHECK(served.hellos == 2);
  return served;
}

TEST_CASE(
    "attack 15: the ClientHello after a HelloRetryRequest names what the first did, or the handshake ends") {
  Client client(test_authority().certificate_pem());
  client.begin("api.example", h2_and_1);
  CHECK(retried(client, serving("api.example", "h2"), "api.example", "api.example").connected);
  client.session.reset();
  client.begin("api.example", h2_and_1);
  Served other_name = retried(client, serving("api.example", "h2"), "api.example", "bad.example");
  CHECK(other_name.result == Result::failed);
  CHECK(other_name.alert == SSL_AD_UNRECOGNIZED_NAME);
  client.begin("api.example", h2_and_1);
  Served other_protocol = retried(client, serving("api.example", "h2"), "\x02h2", "\x02h3");
  CHECK(other_protocol.result == Result::failed);
  CHECK(other_protocol.alert == SSL_AD_NO_APPLICATION_PROTOCOL);
}

TEST_CASE("attack 15: a ticket is good for the peer and the name that it was given to") {
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const auto resumes = [version](Serving first, Serving then) {
      Client client(test_authority().certificate_pem());
      SSL_CTX_set_max_proto_version(client.context(), version);
      const std::string name = then.name;
      client.begin(first.name);
      Served served(client, std::move(first));
      REQUIRE(served.connected);
      REQUIRE(client.session);
      client.begin(name);
      Served again(client, std::move(then));
      REQUIRE(again.connected);
      return again.server->resumed();
    };
    CHECK(resumes(serving("a.example", "", "peer 1"), serving("a.example", "", "peer 1")));
    CHECK_FALSE(resumes(serving("a.example", "", "peer 1"), serving("a.example", "", "peer 2")));
    CHECK_FALSE(resumes(serving("a.example", "", "peer 1/a"), serving("b.example", "", "peer 1/b")));
  }
}

TEST_CASE("attack 15: early data is not read") {
  Client client(test_authority().certificate_pem());
  client.begin("a.example");
  Served(client, serving("a.example"));
  REQUIRE(client.session);
  CHECK(SSL_SESSION_get_max_early_data(client.session.get()) == 0);
  SSL_SESSION_set_max_early_data(client.session.get(), 1000);  // who tries it all the same
  client.begin("a.example");
  std::size_t written = 0;
  CHECK(SSL_write_early_data(client.ssl(), "GET /", 5, &written) == 1);
  Served again(client, serving("a.example"));
  CHECK(SSL_get_early_data_status(client.ssl()) == SSL_EARLY_DATA_REJECTED);
  CHECK(again.result == Result::done);
  char space[10];
  std::size_t count = 0;
  CHECK(again.server->read(space, count) == Result::needs_bytes);
}

// What it is told is told without keys to try again with, so that it connects anew without (RFC 9849, 6.1.6).
TEST_CASE("an encrypted ClientHello is rejected as by a server that has none: the outer name is served") {
  Client client(test_authority().certificate_pem());
  HiddenName hidden(client);
  SECTION("at once") {
    client.begin("api.example.com");
    Served served(client, serving("api.example.com"));
    CHECK(hidden.offered == 1);
    CHECK(hidden.answered == 0);
    CHECK(served.connected);  // with a certificate for the outer name
    CHECK(served.result == Session::Result::done);
  }
  SECTION("after a HelloRetryRequest, which does not answer it either (RFC 9849, 7)") {
    client.begin("api.example", h2_and_1);
    Served served = retried(client, serving("api.example", "h2"), "api.example", "api.example");
    CHECK(served.hellos == 2);
    CHECK(hidden.offered == 2);
    CHECK(hidden.answered == 0);
    CHECK(served.connected);
  }
  SECTION("and no other: what our parser did not read is not served") {
    client.begin("public.example");
    Served served(client, serving("api.example"));
    CHECK(hidden.offered == 1);
    CHECK_FALSE(served.connected);
    CHECK(served.alert == SSL_AD_UNRECOGNIZED_NAME);
  }
}

TEST_CASE("old versions, renegotiation and suites without forward secrecy are refused") {
  Client old(test_authority().certificate_pem());
  SSL_CTX_set_security_level(old.context(), 0);
  SSL_CTX_set_min_proto_version(old.context(), TLS1_VERSION);
  SSL_CTX_set_max_proto_version(old.context(), TLS1_1_VERSION);
  old.begin("api.example");
  Served refused(old, serving("api.example"));
  CHECK(refused.result == Result::failed);
  CHECK(refused.alert == SSL_AD_PROTOCOL_VERSION);

  Client without(test_authority().certificate_pem());
  SSL_CTX_set_max_proto_version(without.context(), TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(without.context(), "AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA");
  without.begin("api.example");
  CHECK(Served(without, serving("api.example")).result == Result::failed);

  Client again(test_authority().certificate_pem());
  SSL_CTX_set_max_proto_version(again.context(), TLS1_2_VERSION);
  again.begin("api.example");
  Served served(again, serving("api.example"));
  REQUIRE(served.connected);
  SSL_renegotiate(again.ssl());
  SSL_do_handshake(again.ssl());
  served.server->received(again.take_to_send());
  char space[100];
  std::size_t count = 0;
  CHECK(served.server->read(space, count) == Result::needs_bytes);  // refused by a warning (RFC 5746, 4.4)
  std::string answer;
  served.server->take_to_send(answer);
  again.received(answer);
  CHECK(SSL_do_handshake(again.ssl()) != 1);
}

TEST_CASE("attack 28: a client that changes its keys without end is one that is gone; now and then it may") {
  Client client(test_authority().certificate_pem());
  client.begin("api.example");
  Served served(client, serving("api.example"));
  REQUIRE(served.connected);
  std::array<char, 64> space;
  std::size_t count = 0;
  auto change_keys = [&](int times) {
    for (int i = 0; i < times; ++i) {
      REQUIRE(SSL_key_update(client.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED) == 1);
      REQUIRE(SSL_do_handshake(client.ssl()) == 1);
    }
    served.server->received(client.take_to_send());
    return served.server->read(space, count);
  };
  for (int i = 0; i < 4; ++i) CHECK(change_keys(8) == Session::Result::needs_bytes);
  SSL_write(client.ssl(), "hello", 5);
  served.server->received(client.take_to_send());
  CHECK(served.server->read(space, count) == Session::Result::done);
  CHECK(count == 5);
  // All at once, of which not all is looked at.
  CHECK(change_keys(1000) == Session::Result::failed);
  CHECK(served.server->failure() == "TLS failed: the other side changes its keys without end");
  CHECK(served.server->has_unread());
}

TEST_CASE("close_notify is said and heard") {
  Client client(test_authority().certificate_pem());
  client.begin("api.example");
  Served served(client, serving("api.example"));
  served.server->close();
  served.heard_by_client();
  CHECK((SSL_get_shutdown(client.ssl()) & SSL_RECEIVED_SHUTDOWN) != 0);
  SSL_shutdown(client.ssl());
  served.server->received(client.take_to_send());
  char space[10];
  std::size_t count = 0;
  CHECK(served.server->read(space, count) == Result::closed);
}

TEST_CASE("attack 15: a record that has come and was not read is known of") {
  Client client(test_authority().certificate_pem());
  client.begin("api.example");
  Served served(client, serving("api.example"));
  REQUIRE(served.result == Result::done);
  CHECK_FALSE(served.server->has_unread());
  SSL_write(client.ssl(), "one", 3);
  SSL_write(client.ssl(), "another", 7);
  served.server->received(client.take_to_send());
  char space[64];
  std::size_t count = 0;
  REQUIRE(served.server->read(space, count) == Result::done);
  CHECK(std::string_view(space, count) == "one");
  CHECK(served.server->has_unread());
  REQUIRE(served.server->read(space, count) == Result::done);
  CHECK_FALSE(served.server->has_unread());
}
