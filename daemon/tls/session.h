// One TLS connection without its socket: what comes from the other side goes in, what must go there comes
// out.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "daemon/tls/client_context.h"

struct ssl_st;
struct x509_store_ctx_st;

namespace clawpatrol::tls {

class Session {
 public:
  enum class Result : std::uint8_t {
    done,
    needs_bytes,  // of the other side: give them to received(), and ask again
    closed,       // the other side said that nothing follows (close_notify)
    failed,       // failure() says why; to_send() may hold an alert
  };

  // A client that wants a server of this name: a host name, or an address in text form.
  static std::unique_ptr<Session> client(const ClientContext& context, const std::string& name);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Result handshake();
  // Plain text that has come; at least one byte where it is done. `space` is not empty.
  Result read(std::span<char> space, std::size_t& count);
  // All of it is taken, as long as the handshake is done and nothing has failed.
  Result write(std::string_view plain);
  void close();  // says that nothing follows

  void received(std::string_view encrypted);
  // What must go to the other side, in this order, and is forgotten here.
  void take_to_send(std::string& encrypted);
  std::size_t to_send() const;

  // For an operator: "the server's certificate is refused: certificate has expired (CN=db, issued by CN=x)".
  const std::string& failure() const { return failure_; }

 private:
  explicit Session(ssl_st* ssl);
  Result result_of(int returned);
  std::string describe_failure() const;
  static int note_refused(int accepted, x509_store_ctx_st* chain);

  ssl_st* ssl_;
  std::string failure_;
  std::string refused_;  // which certificate
};

}  // namespace clawpatrol::tls
