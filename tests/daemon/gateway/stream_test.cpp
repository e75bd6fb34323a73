#include "daemon/gateway/stream.h"

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "tests/daemon/tls/authority.h"

using namespace clawpatrol;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t all_of_it = 4 << 20;

std::string pattern() {
  std::string text(all_of_it, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 2654435761U >> 13);
  return text;
}

// Echoes over a blocking socket, and asks for new keys again and again, which the other side must answer in
// the midst of what it sends.
void echo(SSL* ssl, int fd, bool says_goodbye) {
  SSL_set_fd(ssl, fd);
  if (SSL_accept(ssl) != 1) return;
  std::vector<char> bytes(30'000);
  std::size_t echoed = 0;
  for (int count;
       echoed < all_of_it && (count = SSL_read(ssl, bytes.data(), static_cast<int>(bytes.size()))) > 0;) {
    if (echoed % 7 == 0) SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
    if (SSL_write(ssl, bytes.data(), count) != count) return;
    echoed += static_cast<std::size_t>(count);
  }
  if (says_goodbye) SSL_shutdown(ssl);
  ::shutdown(fd, SHUT_WR);
}

Task<void> write_all(Stream& stream, const std::string& text, bool& written) {
  auto sent = co_await stream.send_all(text, Deadline::after(30s));
  written = sent.has_value();
}

Task<void> read_all(Ring& ring, Stream& stream, std::string& heard, std::int32_t& end) {
  std::vector<char> space(10'000);
  while (true) {
    end = co_await stream.recv(space, Deadline::after(30s));
    if (end <= 0) break;
    heard.append(space.data(), static_cast<std::size_t>(end));
  }
  ring.stop();
}

struct Heard {
  std::expected<void, Error> encrypted;
  bool written = false;
  std::string text;
  std::int32_t end = 0;
};

Task<void> talk(Ring& ring, Stream& stream, std::shared_ptr<const tls::ClientContext> context,
                const std::string& text, Heard& heard) {
  heard.encrypted = co_await stream.encrypt(context, {.name = "db.internal"}, Deadline::after(10s));
  if (!heard.encrypted) {
    ring.stop();
    co_return;
  }
  Task<void> writing = write_all(stream, text, heard.written);
  Task<void> reading = read_all(ring, stream, heard.text, heard.end);
  co_await writing;
  co_await reading;
}

// Of what each turn of the ring has read, the most: as many calls.
struct Reads {
  std::size_t now = 0, most = 0, all = 0;
};

Task<void> count_reads(Ring& ring, Stream& stream, std::shared_ptr<const tls::ClientContext> context,
                       std::size_t wanted, Reads& reads) {
  ring.on_turn_begin([&reads] { reads.now = 0; });
  auto encrypted = co_await stream.encrypt(context, {.name = "db.internal"}, Deadline::after(10s));
  std::array<char, 64> space;
  while (encrypted && reads.all < wanted) {
    if (co_await stream.recv(space, Deadline::after(10s)) <= 0) break;
    reads.most = std::max(reads.most, ++reads.now);
    ++reads.all;
  }
  ring.stop();
}

Heard converse(bool says_goodbye, const std::string& text) {
  static const tls::Signed root = tls::authority("root");
  const tls::Signed identity = tls::sign(tls::ec_key(), {}, &root);
  auto context = *tls::ClientContext::create(tls::Verify::full, root.pem());
  int fds[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
  Fd server_end(fds[1]);
  tls::Server server(identity);
  std::thread peer([&] { echo(server.ssl(), server_end.get(), says_goodbye); });
  auto ring = *Ring::create({});
  Heard heard;
  {
    Stream stream(*ring, Fd(fds[0]));
    Task<void> talking = talk(*ring, stream, context, text, heard);
    ring->run();
    peer.join();
  }
  return heard;
}

}  // namespace

TEST_CASE("both directions of an encrypted stream are whole, new keys in their midst") {
  const std::string text = pattern();
  const Heard heard = converse(true, text);
  REQUIRE(heard.encrypted);
  CHECK(heard.written);
  CHECK(heard.text == text);
  CHECK(heard.end == 0);
}

TEST_CASE("an end that was not announced is none") {
  const std::string text = pattern();
  const Heard heard = converse(false, text);
  REQUIRE(heard.encrypted);
  CHECK(heard.text == text);
  CHECK(heard.end == -ECONNRESET);
}

TEST_CASE("attack 28: records of a byte each, thousands at once, leave the ring's others their turns") {
  const tls::Signed root = tls::authority("root");
  auto context = *tls::ClientContext::create(tls::Verify::full, root.pem());
  int fds[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
  Fd server_end(fds[1]);
  tls::Server server(tls::sign(tls::ec_key(), {}, &root));
  constexpr std::size_t records = 4000;
  std::thread peer([&] {
    SSL_set_fd(server.ssl(), server_end.get());
    if (SSL_accept(server.ssl()) != 1) return;
    BIO* written = BIO_new(BIO_s_mem());
    SSL_set0_wbio(server.ssl(), written);
    for (std::size_t i = 0; i < records; ++i) SSL_write(server.ssl(), "x", 1);
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(written, &bytes);
    for (long sent = 0; sent < size;) {
      const ssize_t count = ::write(server_end.get(), bytes + sent, static_cast<std::size_t>(size - sent));
      if (count <= 0) return;
      sent += count;
    }
  });
  auto ring = *Ring::create({});
  Reads reads;
  {
    Stream stream(*ring, Fd(fds[0]));
    Task<void> reading = count_reads(*ring, stream, context, records, reads);
    ring->run();
    peer.join();
  }
  CHECK(reads.all == records);
  CHECK(reads.most < 64);  // and not all of them
}
