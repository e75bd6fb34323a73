#include "daemon/gateway/http/http2_upstreams.h"

#include <algorithm>

namespace clawpatrol::http {

Http2Upstreams::Found Http2Upstreams::open(const PoolKey& key) {
  drop_what_is_over(key);
  for (const auto& entry : entries_)
    if (entry->key == key && entry->connection->takes_requests())
      return {entry->connection->open(), entry->address};
  return {};
}

void Http2Upstreams::add(PoolKey key, std::unique_ptr<Stream> stream, std::string address,
                         UpstreamPlaces::Place place) {
  entries_.push_back(std::make_unique<Entry>(
      Entry{std::move(key), std::make_unique<Http2Upstream>(ring_, std::move(stream), account_),
            std::move(address), std::move(place)}));
}

Task<void> Http2Upstreams::end(std::unique_ptr<Entry> entry) {
  co_await entry->connection->close();
}

// What takes no more, or is of a generation that is gone, once nobody uses it.
void Http2Upstreams::drop_what_is_over(const PoolKey& wanted) {
  std::erase_if(of_http1_, [&](const PoolKey& key) { return key.generation < wanted.generation; });
  for (std::size_t i = entries_.size(); i-- > 0;) {
    Entry& entry = *entries_[i];
    const bool useful = entry.connection->takes_requests() && entry.key.generation >= wanted.generation;
    if (useful || entry.connection->exchanges() > 0) continue;
    closing_.spawn(end(std::move(entries_[i])));
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

Task<void> Http2Upstreams::close() {
  for (auto& entry : entries_) closing_.spawn(end(std::move(entry)));
  entries_.clear();
  co_await closing_.join();
}

bool Http2Upstreams::is_dialling(const PoolKey& key) const {
  return std::ranges::find(dialling_, key) != dialling_.end();
}

void Http2Upstreams::end_dialling(const PoolKey& key) {
  std::erase(dialling_, key);
  changed_.notify();
}

bool Http2Upstreams::is_of_http1(const PoolKey& key) const {
  return std::ranges::find(of_http1_, key) != of_http1_.end();
}

}  // namespace clawpatrol::http
