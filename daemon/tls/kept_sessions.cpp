#include "daemon/tls/kept_sessions.h"

#include <openssl/ssl.h>

#include <algorithm>

namespace clawpatrol::tls {

void FreeSession::operator()(ssl_session_st* session) const {
  SSL_SESSION_free(session);
}

KeptSessions::~KeptSessions() = default;

void KeptSessions::keep(const std::string& key, KeptSession session) {
  std::lock_guard lock(mutex_);
  auto& places = by_key_[key];
  kept_.push_back({key, std::move(session)});
  places.push_back(std::prev(kept_.end()));
  if (places.size() > of_one_key) forget(places.front());
  if (kept_.size() > most_) forget(kept_.begin());
}

KeptSession KeptSessions::take(const std::string& key) {
  std::lock_guard lock(mutex_);
  auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  Place place = found->second.back();
  SSL_SESSION* session = place->session.get();
  if (SSL_SESSION_get_protocol_version(session) < TLS1_3_VERSION) {
    SSL_SESSION_up_ref(session);
    return KeptSession(session);
  }
  KeptSession taken = std::move(place->session);
  forget(place);
  return taken;
}

std::size_t KeptSessions::size() const {
  std::lock_guard lock(mutex_);
  return kept_.size();
}

void KeptSessions::forget(Place place) {
  auto found = by_key_.find(place->key);
  std::erase(found->second, place);
  if (found->second.empty()) by_key_.erase(found);
  kept_.erase(place);
}

}  // namespace clawpatrol::tls
