#include "daemon/gateway/token_fetch.h"

#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cstring>

#include "daemon/gateway/stream.h"
#include "daemon/gateway/unix_time.h"
#include "daemon/gateway/upstream.h"
#include "parsers/http1/response.h"

namespace clawpatrol {
namespace {

using credentials::ObtainedToken;
using credentials::Secret;
using Done = std::expected<void, Error>;

constexpr int most_interim = 16;  // heads below 200

Error wrong(std::string_view why) {
  return Error{EPROTO, "the token server's answer is malformed: " + std::string(why)};
}

// Shuts the connection down when the errand is to end, as long as there is one.
class Ending {
 public:
  Ending(Flow& errand, Ring& ring, Stream& stream) : errand_(errand) {
    errand.on_close_request([ring = &ring, stream = &stream, alive = alive_](const std::string&) {
      ring->post([stream, alive] {
        if (*alive && stream->fd() >= 0) ::shutdown(stream->fd(), SHUT_RDWR);
      });
    });
  }
  ~Ending() {
    *alive_ = false;
    errand_.on_close_request(nullptr);
  }
  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;

 private:
  Flow& errand_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// One answer, read into locked pages: it holds a token.
class Answer {
 public:
  Answer() : buffer_(http1::max_head + (16 << 10)), body_(credentials::longest_token_answer) {
    reader_.expect(http1::Asked::ordinary);
  }

  std::span<char> space() { return buffer_.writable().subspan(filled_); }
  void received(std::size_t count) { filled_ += count; }

  // True: that was all. Call it after each piece; the end of the connection is no piece.
  std::expected<bool, Error> advance() {
    while (true) {
      auto step = reader_.next(buffer_.reveal().substr(0, filled_));
      if (auto* malformed = std::get_if<Malformed>(&step)) return std::unexpected(wrong(malformed->why));
      auto* parsed = std::get_if<Parsed<http1::ResponseEvent>>(&step);
      if (!parsed && space().empty()) return std::unexpected(wrong("its head is too long"));
      if (!parsed) return false;
      const bool ended = std::holds_alternative<http1::End>(parsed->event);
      Done taken;
      if (auto* start = std::get_if<http1::ResponseStart>(&parsed->event)) taken = take(*start);
      if (auto* data = std::get_if<http1::Data>(&parsed->event)) taken = take(data->bytes);
      if (!taken) return std::unexpected(taken.error());
      drop(parsed->size);
      if (ended) return true;
    }
  }
  bool ends_here() const { return reader_.ends_here(); }

  credentials::TokenAnswer whole() const {
    return {.status = status_,
            .content_encoding = coding_,
            .date = date_,
            .body = body_.reveal().substr(0, size_)};
  }

 private:
  Done take(const http1::ResponseStart& start) {
    if (start.status < 200 && (start.status == 101 || ++interim_ > most_interim))
      return std::unexpected(wrong("an interim answer too many"));
    status_ = start.status;
    coding_ = start.only("content-encoding");
    date_ = start.only("date");
    return {};
  }
  Done take(std::string_view bytes) {
    if (bytes.size() > credentials::longest_token_answer - size_)
      return std::unexpected(Error{EMSGSIZE, "the token server's answer is longer than 64 KiB"});
    std::memcpy(body_.writable().data() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
    return {};
  }
  void drop(std::size_t count) {
    std::memmove(buffer_.writable().data(), buffer_.reveal().data() + count, filled_ - count);
    filled_ -= count;
  }

  Secret buffer_, body_;
  std::size_t filled_ = 0, size_ = 0;
  http1::ResponseReader reader_;
  int status_ = 0, interim_ = 0;
  std::string coding_, date_;
};

Task<std::expected<void, Error>> read_answer(Stream& stream, Answer& answer, Deadline deadline) {
  while (true) {
    const std::int32_t count = co_await stream.recv(answer.space(), deadline);
    if (count == 0 && answer.ends_here()) co_return Done();
    if (count <= 0)
      co_return std::unexpected(count == 0 ? Error{ECONNRESET, "the token server ended the connection early"}
                                           : os_error(-count, "receive from the token server"));
    answer.received(static_cast<std::size_t>(count));
    auto over = answer.advance();
    if (!over) co_return std::unexpected(over.error());
    if (*over) co_return Done();
  }
}

// Made anew each time, so that roots which the operator has added count; what is decrypted does not stay in
// OpenSSL's buffers.
std::expected<std::shared_ptr<const tls::ClientContext>, Error> context_for(const TokenSource& source) {
  auto context = tls::ClientContext::create(tls::Verify::full, source.ca);
  if (context) SSL_CTX_set_options((*context)->get(), SSL_OP_CLEANSE_PLAINTEXT);
  return context;
}

Task<Done> connect(Worker& worker, Flow& errand, const TokenSource& source, Stream& stream,
                   Deadline deadline) {
  auto context = context_for(source);
  if (!context) co_return std::unexpected(context.error());
  HostPort host{
      .host = source.host, .port = source.port, .wildcard = false, .address = Address::parse(source.host)};
  // The operator named this host, which may resolve anywhere; but it is no endpoint, whose addresses
  // passthrough never reaches.
  auto anywhere = [](const Address&) -> const char* { return nullptr; };
  auto connected =
      co_await connect_upstream(worker, errand, std::move(host), deadline, anywhere, stream.socket());
  if (!connected) co_return connected;
  co_return co_await stream.encrypt(std::move(*context), {.name = source.host, .protocols = {"http/1.1"}},
                                    deadline);
}

}  // namespace

Task<std::expected<ObtainedToken, Error>> fetch_token(Worker& worker, Flow& errand,
                                                      const CredentialConfig& config, Secret request,
                                                      Deadline deadline) {
  Stream stream(worker.ring());
  Ending ending(errand, worker.ring(), stream);
  Done done = co_await connect(worker, errand, *config.tokens, stream, deadline);
  if (done) done = co_await stream.send_all(request.reveal(), deadline);
  Answer answer;
  if (done) done = co_await read_answer(stream, answer, deadline);
  if (auto why = errand.close_asked()) done = std::unexpected(Error{ECANCELED, *why});
  if (!done) co_return std::unexpected(done.error());
  stream.shut_down(SHUT_RDWR);
  auto obtained = credentials::read_token_answer(config, answer.whole(), now_unix_ns() / 1'000'000'000);
  if (!obtained) co_return std::unexpected(Error{EPROTO, std::move(obtained.error())});
  co_return std::move(*obtained);
}

}  // namespace clawpatrol
