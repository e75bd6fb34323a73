// What names resolved to, for each peer apart: one peer learns nothing from what is warm for another, and
// cannot push it out. Bounded by bytes per peer, least recently used out first.
#pragma once

#include <chrono>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "daemon/gateway/dns/lookups.h"

namespace clawpatrol {

class AnswerCache {
 public:
  static constexpr std::size_t bytes_per_peer = 64 << 10;
  // The system's resolver says nothing of lifetimes.
  static constexpr std::chrono::seconds lifetime{30};
  static constexpr std::chrono::seconds negative_lifetime{5};

  struct Hit {
    Resolved resolved;
    std::chrono::seconds left;  // at least 1
  };
  // Any thread.
  std::optional<Hit> find(std::uint32_t peer_id, const std::string& name, Clock::time_point now);
  void insert(std::uint32_t peer_id, const std::string& name, const Resolved& resolved,
              Clock::time_point now);
  std::size_t bytes(std::uint32_t peer_id) const;

 private:
  struct Entry {
    std::string name;
    Resolved resolved;
    Clock::time_point until;
    std::size_t bytes;
  };
  struct Share {
    std::list<Entry> entries;  // most recently used first
    std::unordered_map<std::string, std::list<Entry>::iterator> by_name;
    std::size_t bytes = 0;
    void remove(std::list<Entry>::iterator entry);
  };
  mutable std::mutex mutex_;
  std::unordered_map<std::uint32_t, Share> shares_;
};

}  // namespace clawpatrol
