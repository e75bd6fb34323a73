#include "daemon/tls/session.h"

#include "tests/daemon/tls/authority.h"

namespace {

using namespace clawpatrol::tls;
using Result = Session::Result;

const Signed& trusted() {
  static const Signed root = authority("trusted root");
  return root;
}

struct Meeting {
  Server server;
  std::shared_ptr<const ClientContext> context;
  std::unique_ptr<Session> client;
  Result result = Result::needs_bytes;

  Meeting(const Signed& identity, Verify verify = Verify::full, const std::string& name = "db.internal",
          int most = TLS1_3_VERSION, std::size_t at_a_time = 1 << 20, int least = TLS1_2_VERSION)
      : server(identity, least, most), context(*ClientContext::create(verify, trusted().pem())) {
    client = Session::client(*context, {.name = name});
    for (int turn = 0; turn < 20 && result == Result::needs_bytes; ++turn) {
      result = client->handshake();
      to_server();
      SSL_do_handshake(server.ssl());
      to_client(at_a_time);
    }
    to_server();
    SSL_do_handshake(server.ssl());
  }
  void to_server() {
    std::string bytes;
    client->take_to_send(bytes);
    server.received(bytes);
  }
  void to_client(std::size_t at_a_time = 1 << 20) {
    const std::string bytes = server.take_to_send();
    for (std::size_t at = 0; at < bytes.size(); at += at_a_time) {
      client->received(std::string_view(bytes).substr(at, at_a_time));
      if (result == Result::needs_bytes) result = client->handshake();
    }
  }
  std::string read() {
    std::string all;
    char space[1000];
    for (std::size_t count = 0; client->read(space, count) == Result::done;) all.append(space, count);
    return all;
  }
};

std::string refusal(const Signed& identity, Verify verify = Verify::full,
                    const std::string& name = "db.internal") {
  Meeting meeting(identity, verify, name);
  CHECK(meeting.result == Result::failed);
  // Whatever is tried afterwards, nothing is written to a server that was refused.
  CHECK(meeting.client->write("secret") == Result::failed);
  char space[10];
  std::size_t count = 0;
  CHECK(meeting.client->read(space, count) == Result::failed);
  return meeting.client->failure();
}

}  // namespace

TEST_CASE("a server with the right certificate is spoken with, in both versions, however its bytes are cut") {
  const Signed identity = sign(ec_key(), {}, &trusted());
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (std::size_t at_a_time : {1, 7, 1 << 20}) {
      Meeting meeting(identity, Verify::full, "db.internal", version, at_a_time);
      REQUIRE(meeting.result == Result::done);
      CHECK(SSL_version(meeting.server.ssl()) == version);
      CHECK(std::string(SSL_get_servername(meeting.server.ssl(), TLSEXT_NAMETYPE_host_name)) ==
            "db.internal");
      const std::string large(40'000, 'x');
      REQUIRE(meeting.client->write(large) == Result::done);
      meeting.to_server();
      std::string arrived;
      for (std::string piece; !(piece = meeting.server.read()).empty();) arrived += piece;
      CHECK(arrived == large);
      meeting.server.write(large);
      meeting.to_client(at_a_time);
      CHECK(meeting.read() == large);
    }
  }
}

TEST_CASE("what is written at once goes in one record, as far as a record holds it (RFC 8446, 5.1)") {
  const Signed identity = sign(ec_key(), {}, &trusted());
  const auto records_of = [](Session& session, std::size_t size) {
    REQUIRE(session.write(std::string(size, 'x')) == Result::done);
    std::string sent;
    session.take_to_send(sent);
    std::size_t records = 0;
    for (std::size_t at = 0; at < sent.size(); ++records)
      at += 5 + (static_cast<unsigned char>(sent[at + 3]) << 8 | static_cast<unsigned char>(sent[at + 4]));
    return records;
  };
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Meeting meeting(identity, Verify::full, "db.internal", version);
    REQUIRE(meeting.result == Result::done);
    for (std::size_t size : {1, 200, 8 << 10, 15'000, 16 << 10}) {
      INFO(size);
      CHECK(records_of(*meeting.client, size) == 1);
    }
    CHECK(records_of(*meeting.client, (16 << 10) + 1) == 2);
  }
}

TEST_CASE("the end is told from what is merely not here yet") {
  Meeting meeting(sign(ec_key(), {}, &trusted()));
  char space[10];
  std::size_t count = 0;
  CHECK(meeting.client->read(space, count) == Result::needs_bytes);
  meeting.server.write("last");
  SSL_shutdown(meeting.server.ssl());
  meeting.to_client();
  CHECK(meeting.read() == "last");
  CHECK(meeting.client->read(space, count) == Result::closed);
  meeting.client->close();
  meeting.to_server();
  meeting.server.read();
  CHECK((SSL_get_shutdown(meeting.server.ssl()) & SSL_RECEIVED_SHUTDOWN) != 0);
}

TEST_CASE("bytes that were changed on the way end it") {
  Meeting meeting(sign(ec_key(), {}, &trusted()));
  meeting.server.write("text");
  std::string bytes = meeting.server.take_to_send();
  bytes.back() ^= 1;
  meeting.client->received(bytes);
  char space[10];
  std::size_t count = 0;
  CHECK(meeting.client->read(space, count) == Result::failed);
  CHECK(meeting.client->failure() == "TLS failed: decryption failed or bad record mac");
}

TEST_CASE("eight bad certificates are refused, each for its reason") {
  const std::string by = " (CN=db, issued by CN=trusted root)";
  const std::string refused = "the server's certificate is refused: ";
  CHECK(refusal(sign(ec_key(), {.from_s = -7200, .until_s = -60}, &trusted())) ==
        refused + "certificate has expired" + by);
  CHECK(refusal(sign(ec_key(), {.from_s = 600}, &trusted())) ==
        refused + "certificate is not yet valid" + by);
  CHECK(refusal(sign(ec_key(), {.alternative = "DNS:other.internal"}, &trusted())) ==
        refused + "hostname mismatch" + by);
  CHECK(refusal(sign(ec_key(), {})) == refused + "self-signed certificate (CN=db, issued by CN=db)");
  const Signed stranger = authority("stranger");
  CHECK(refusal(sign(ec_key(), {}, &stranger)) ==
        refused + "unable to get local issuer certificate (CN=db, issued by CN=stranger)");
  CHECK(refusal(sign(ec_key(), {.usage = "clientAuth"}, &trusted())) ==
        refused + "unsuitable certificate purpose" + by);
  CHECK(refusal(sign(ec_key(), {.common_name = "db.internal", .alternative = ""}, &trusted())) ==
        refused + "hostname mismatch (CN=db.internal, issued by CN=trusted root)");
  CHECK(refusal(sign(rsa_key(1024), {}, &trusted())) == refused + "EE certificate key too weak" + by);
}

TEST_CASE("a name is one label a star, an address is proved as an address") {
  const Signed wide = sign(ec_key(), {.alternative = "DNS:*.corp.internal"}, &trusted());
  CHECK(Meeting(wide, Verify::full, "db.corp.internal").result == Result::done);
  CHECK(Meeting(wide, Verify::full, "a.db.corp.internal").result == Result::failed);
  CHECK(Meeting(wide, Verify::full, "corp.internal").result == Result::failed);
  const Signed partial = sign(ec_key(), {.alternative = "DNS:d*.corp.internal"}, &trusted());
  CHECK(Meeting(partial, Verify::full, "db.corp.internal").result == Result::failed);
  const Signed address = sign(ec_key(), {.alternative = "IP:10.0.0.1, IP:fd00::1"}, &trusted());
  CHECK(Meeting(address, Verify::full, "10.0.0.1").result == Result::done);
  CHECK(Meeting(address, Verify::full, "fd00::1").result == Result::done);
  CHECK(Meeting(address, Verify::full, "10.0.0.2").result == Result::failed);
  const Signed text = sign(ec_key(), {.alternative = "DNS:10.0.0.1"}, &trusted());
  CHECK(Meeting(text, Verify::full, "10.0.0.1").result == Result::failed);
}

TEST_CASE("less is demanded where the operator says so, and no less than that") {
  const Signed other = sign(ec_key(), {.alternative = "DNS:other.internal"}, &trusted());
  CHECK(Meeting(other, Verify::chain).result == Result::done);
  CHECK(Meeting(sign(ec_key(), {}), Verify::chain).result == Result::failed);
  CHECK(Meeting(sign(ec_key(), {.from_s = -7200, .until_s = -60}, &trusted()), Verify::chain).result ==
        Result::failed);
  CHECK(Meeting(sign(ec_key(), {}), Verify::nothing).result == Result::done);
}

TEST_CASE("old versions are refused") {
  const Signed identity = sign(rsa_key(2048), {}, &trusted());
  Meeting meeting(identity, Verify::full, "db.internal", TLS1_1_VERSION, 1 << 20, TLS1_VERSION);
  CHECK(meeting.result == Result::failed);
  CHECK(meeting.client->failure().find("TLS failed: ") == 0);
}

TEST_CASE("what is no certificate vouches for nobody") {
  CHECK_FALSE(ClientContext::create(Verify::full, "not a certificate"));
  CHECK(ClientContext::create(Verify::full, ""));
}
