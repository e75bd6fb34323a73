// One TLS connection without its socket: what comes from the other side goes in, what must go there comes
// out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/tls/client_context.h"
#include "daemon/tls/kept_sessions.h"
#include "daemon/tls/leaf.h"
#include "daemon/tls/server_context.h"

struct bio_method_st;
struct ssl_st;
struct x509_store_ctx_st;

namespace clawpatrol::tls {

// What a client wants of a server.
struct Wish {
  std::string name;                      // a host name, or an address in text form
  std::vector<std::string> protocols{};  // ALPN, best first; empty: none is offered
  KeptSessions* sessions = nullptr;      // where sessions are kept; outlives the connection
  std::string session_key{};             // all that they rest on (attacks.md, 15)
};

// What a server shows to a client whose ClientHello our own parser has read.
struct Serving {
  std::shared_ptr<const Leaf> leaf;
  std::string name;      // that the client asked for; "": it named none
  std::string protocol;  // of those that it offered; "": it offered none
  std::string bound_to;  // a ticket is good for who comes with the same again, and nobody else
};

class Session {
 public:
  enum class Result : std::uint8_t {
    done,
    needs_bytes,  // of the other side: give them to received(), and ask again
    closed,       // the other side said that nothing follows (close_notify)
    failed,       // failure() says why; to_send() may hold an alert
  };

  static std::unique_ptr<Session> client(const ClientContext& context, Wish wish);
  // What the client then says to OpenSSL must be what it said to our parser, also in a second ClientHello, or
  // the handshake fails (attacks.md, 15).
  static std::unique_ptr<Session> server(const ServerContext& context, Serving serving);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Result handshake();
  // Plain text that has come; at least one byte where it is done. `space` is not empty.
  Result read(std::span<char> space, std::size_t& count);
  // The same after these have come; only what of them is left is copied.
  Result read_of(std::string_view encrypted, std::span<char> space, std::size_t& count);
  // Whether read() can only answer that it needs bytes.
  bool rests() const;
  // All of it is taken, as long as the handshake is done and nothing has failed.
  Result write(std::string_view plain);
  void close();  // says that nothing follows
  // Whether a side that has said so may still read (RFC 8446, 6.1); before TLS 1.3 it may not (RFC
  // 5246, 7.2.1).
  bool ends_by_halves() const;
  // A server's, of TLS 1.3: something that a client takes at any time and that says nothing, a ticket.
  void knock();

  // Kept until it has been read.
  void received(std::string_view encrypted) { incoming_.append(encrypted); }
  // What must go to the other side, in this order, and is forgotten here.
  void take_to_send(std::string& encrypted);
  // Memory for what must go, from who has some: what take_to_send() gives stands in it then.
  void lend(std::string space) {
    if (outgoing_.empty()) outgoing_ = std::move(space);
  }
  std::size_t to_send() const { return outgoing_.size(); }
  // Whether something has come that read() has not given: plain text, or records not looked at yet.
  bool has_unread() const;

  // Once the handshake is done: ALPN; "" where none was agreed on.
  std::string protocol() const;
  bool resumed() const;
  // The digest of the server's certificate that logins are bound to (tls-server-end-point, RFC 5929); ours
  // where this is the server. "" where there is none.
  std::string end_point() const;
  // When the certificate ends that the server has shown, in Unix seconds; none: this is a server, or it has
  // shown none.
  std::optional<std::int64_t> server_ends_unix() const;

  // For an operator: "the server's certificate is refused: certificate has expired (CN=db, issued by CN=x)".
  const std::string& failure() const { return failure_; }

  // For contexts: what they call of the session that they are at work for.
  static void answer_clients(ssl_ctx_st* context);
  static void keep_sessions(ssl_ctx_st* context);

 private:
  explicit Session(ssl_st* ssl);
  bool want(const ClientContext& context);
  bool agrees();
  static const bio_method_st* wires();
  static int on_name(ssl_st* ssl, int* alert, void*);
  static int on_protocols(ssl_st* ssl, const unsigned char** chosen, unsigned char* size,
                          const unsigned char* offered, unsigned offered_size, void*);
  static int on_session(ssl_st* ssl, ssl_session_st* session);
  std::size_t take_received(std::span<char> space);
  Result result_of(int returned);
  std::string describe_failure() const;
  static int note_refused(int accepted, x509_store_ctx_st* chain);
  static void note_message(int sent, int version, int type, const void* bytes, std::size_t size, ssl_st* ssl,
                           void*);
  bool updates_keys_too_often() const;

  ssl_st* ssl_;
  std::string incoming_, outgoing_;  // encrypted; hold no memory of their own while they are empty
  std::size_t read_ = 0;             // of `incoming_`
  std::string_view came_;            // behind it; during a call
  Wish wish_;                        // of a client
  Serving serving_;                  // of a server; without a leaf this is a client
  std::uint64_t taken_ = 0;          // encrypted bytes
  std::uint64_t key_updates_ = 0;    // of the other side
  std::string failure_;
  std::string refused_;  // which certificate
};

}  // namespace clawpatrol::tls
