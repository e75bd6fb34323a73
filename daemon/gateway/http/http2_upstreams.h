// Connections of HTTP/2 to servers, of one agent's connection: its exchanges share them, and nobody else, and
// they end with it. What a second one would be dialled for waits until the first has come to something.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/gateway/http/http2_upstream.h"
#include "daemon/gateway/http/pool.h"
#include "daemon/gateway/upstream_places.h"
#include "daemon/ring/task_group.h"

namespace clawpatrol::http {

class Http2Upstreams {
 public:
  Http2Upstreams(Ring& ring, const PeerAccount& account)
      : ring_(ring), account_(account), changed_(ring), closing_(ring) {}

  struct Found {
    std::unique_ptr<UpstreamExchange> exchange;  // null: no connection of this key takes one
    std::string address;
  };
  Found open(const PoolKey& key);
  void add(PoolKey key, std::unique_ptr<Stream> stream, std::string address, UpstreamPlaces::Place place);

  // Once no exchange is left.
  Task<void> close();

  // Who dials for a key says so; others wait() meanwhile.
  bool is_dialling(const PoolKey& key) const;
  void begin_dialling(const PoolKey& key) { dialling_.push_back(key); }
  void end_dialling(const PoolKey& key);
  Event& changed() { return changed_; }
  // Servers that were found to speak HTTP/1.1 need not be waited for.
  bool is_of_http1(const PoolKey& key) const;
  void found_http1(PoolKey key) { of_http1_.push_back(std::move(key)); }

 private:
  struct Entry {
    PoolKey key;
    std::unique_ptr<Http2Upstream> connection;
    std::string address;
    UpstreamPlaces::Place place;
  };
  static Task<void> end(std::unique_ptr<Entry> entry);
  void drop_what_is_over(const PoolKey& wanted);

  Ring& ring_;
  PeerAccount account_;
  std::vector<std::unique_ptr<Entry>> entries_;
  std::vector<PoolKey> dialling_, of_http1_;
  Event changed_;
  TaskGroup closing_;
};

}  // namespace clawpatrol::http
