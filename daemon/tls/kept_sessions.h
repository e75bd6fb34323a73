// Sessions with servers, to be resumed: a handshake less work for both. Whoever asks says what they rest on,
// and gets only what was kept under the very same (attacks.md, 15).
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

struct ssl_session_st;

namespace clawpatrol::tls {

struct FreeSession {
  void operator()(ssl_session_st* session) const;
};
using KeptSession = std::unique_ptr<ssl_session_st, FreeSession>;

// Thread-safe. At most `most` in all; the one that was kept first goes first.
class KeptSessions {
 public:
  static constexpr std::size_t of_one_key = 4;
  explicit KeptSessions(std::size_t most = 4096) : most_(most) {}
  ~KeptSessions();
  KeptSessions(const KeptSessions&) = delete;
  KeptSessions& operator=(const KeptSessions&) = delete;

  void keep(const std::string& key, KeptSession session);
  // The newest. One of TLS 1.3 is given once (RFC 8446, C.4). Null: none.
  KeptSession take(const std::string& key);
  std::size_t size() const;

 private:
  struct Kept {
    std::string key;
    KeptSession session;
  };
  using Place = std::list<Kept>::iterator;
  void forget(Place place);

  const std::size_t most_;
  mutable std::mutex mutex_;
  std::list<Kept> kept_;  // oldest first
  std::unordered_map<std::string, std::list<Place>> by_key_;
};

}  // namespace clawpatrol::tls
