#include <algorithm>
#include <array>
#include <list>
#include <random>
#include <unordered_map>
#include <utility>

#include "policy/sql/analysis.h"

namespace clawpatrol::sql {
namespace {

// What an analysis depends on: the text and everything in the options that decides its reading.
struct KeyView {
  std::string_view text;
  const Options* options;
};

bool same_options(const Options& a, const Options& b) {
  return a.safe_functions == b.safe_functions && a.asked == b.asked && a.limits.bytes == b.limits.bytes &&
         a.limits.tokens == b.limits.tokens && a.limits.statements == b.limits.statements &&
         a.ascii_only == b.ascii_only && a.ascii_names == b.ascii_names &&
         path_of(a.search_path) == path_of(b.search_path);
}

// Keyed, so that texts chosen to collide do not.
std::uint64_t hash_text(std::string_view text, std::uint64_t seed) {
  auto mix = [](std::uint64_t a, std::uint64_t b) {
    auto product = static_cast<unsigned __int128>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  };
  std::uint64_t state = seed ^ text.size();
  const char* at = text.data();
  std::size_t left = text.size();
  while (left > 0) {
    std::uint64_t word = 0;
    std::size_t take = left < 8 ? left : 8;
    __builtin_memcpy(&word, at, take);
    state = mix(state ^ word, seed | 0x9e3779b97f4a7c15U);
    at += take;
    left -= take;
  }
  return mix(state ^ seed, 0xd6e8feb86659fd93U);
}

struct Hash {
  using is_transparent = void;
  std::uint64_t seed;
  // The path too: one text on many of them is no chain that others walk.
  std::size_t operator()(const KeyView& key) const {
    const SearchPath& path = path_of(key.options->search_path);
    std::uint64_t hash = hash_text(key.text, seed);
    for (const std::string& schema : path.schemas) hash = hash_text(schema, hash ^ seed);
    return hash + path.certain + 2 * path.hides_catalog;
  }
};

struct Equal {
  using is_transparent = void;
  bool operator()(const KeyView& a, const KeyView& b) const {
    return a.text == b.text && same_options(*a.options, *b.options);
  }
};

struct Entry {
  std::string text;
  Options options;  // keeps safe_functions alive, so that its address stays its identity
  std::shared_ptr<const Analysis> analysis;
  std::size_t bytes = 0;
  std::uint32_t peer = 0;  // who sent it first, and is charged
};

std::uint64_t random_seed() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

}  // namespace

struct Cache::State {
  explicit State(std::size_t max) : max_bytes(max), index(64, Hash{random_seed()}, Equal{}) {}

  struct OfPeer {
    std::list<Entry> entries;  // most recently used first
    std::size_t bytes = 0;
  };
  // Hashes of texts that were sent once, the latest of each remainder. What one peer sends makes those of few
  // others be forgotten.
  using SeenOnce = std::array<std::uint64_t, 1024>;

  std::size_t max_bytes;
  std::size_t bytes = 0;
  std::unordered_map<std::uint32_t, OfPeer> peers;                             // that have entries
  std::array<SeenOnce, 16> seen_once{};                                        // by peer
  std::unordered_map<KeyView, std::list<Entry>::iterator, Hash, Equal> index;  // views into entries

  void charge(Entry& entry, std::size_t size) {
    bytes += size - entry.bytes;
    peers[entry.peer].bytes += size - entry.bytes;
    entry.bytes = size;
  }

  // Of the peer that has the most: so one that sends ever different texts pushes out its own.
  void drop_one() {
    const auto most = std::ranges::max_element(peers, {}, [](const auto& peer) { return peer.second.bytes; });
    OfPeer& of = most->second;
    Entry& last = of.entries.back();
    index.erase(KeyView{last.text, &last.options});
    charge(last, 0);
    of.entries.pop_back();
    if (of.entries.empty()) peers.erase(most);
  }
};

Cache::Cache(std::size_t max_bytes) : state_(std::make_unique<State>(max_bytes)) {}
Cache::~Cache() = default;

std::shared_ptr<const Analysis> Cache::find(std::string_view text, const Options& options) {
  auto found = state_->index.find(KeyView{text, &options});
  if (found == state_->index.end()) return nullptr;
  auto& entries = state_->peers[found->second->peer].entries;
  entries.splice(entries.begin(), entries, found->second);
  return found->second->analysis;
}

std::shared_ptr<const Analysis> Cache::insert(std::string_view text, const Options& options,
                                              Analysis analysis, std::uint32_t peer) {
  auto shared = std::make_shared<const Analysis>(std::move(analysis));
  constexpr std::size_t per_entry = sizeof(Entry) + 128;  // list and index nodes, allocator
  std::size_t bytes = text.size() + shared->memory + per_entry;
  // One text must not push out all others.
  if (bytes > state_->max_bytes / 8) return shared;
  if (find(text, options) == nullptr) {
    auto& entries = state_->peers[peer].entries;
    entries.push_front(Entry{std::string(text), options, nullptr, 0, peer});
    state_->index.emplace(KeyView{entries.front().text, &entries.front().options}, entries.begin());
  }
  Entry& entry = *state_->index.find(KeyView{text, &options})->second;
  entry.analysis = shared;
  state_->charge(entry, bytes);
  while (state_->bytes > state_->max_bytes) state_->drop_one();
  return shared;
}

std::shared_ptr<const Analysis> Cache::analyse(std::string_view text, const Options& options,
                                               std::uint32_t peer) {
  if (auto found = find(text, options)) return found;
  const std::uint64_t hash = state_->index.hash_function()(KeyView{text, &options});
  State::SeenOnce& seen_once = state_->seen_once[peer % state_->seen_once.size()];
  std::uint64_t& seen = seen_once[hash % seen_once.size()];
  if (seen != hash) {
    seen = hash;
    return std::make_shared<const Analysis>(sql::analyse(text, options));
  }
  return insert(text, options, sql::analyse(text, options), peer);
}

}  // namespace clawpatrol::sql
