// The chain of an audit log. A line's link is a digest over the link before it and the line; after a group's
// last line the link is the group's MAC instead, so that a verifier can go on behind damage from any MAC that
// it finds.
//
//   link(line)  = SHA-256(link before || the line without its closing brace and its MAC)
//   mac(group)  = first half of HMAC-SHA-256(key, "clawpatrol audit 1" || boot || seq || link of its last
//   line) prev(line)  = first eight bytes of the link before it
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "daemon/audit/key.h"

namespace clawpatrol::audit {

using Mac = std::array<unsigned char, 16>;
using Boot = std::array<unsigned char, 16>;

class Chain {
 public:
  explicit Chain(const Key& key);
  ~Chain();
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;

  void go_on_after(const Mac& mac);               // the link is now that of a group's end
  void add(std::string_view covered);             // the part of the next line that its link covers
  Mac seal(const Boot& boot, std::uint64_t seq);  // of the group that ends with the line just added
  std::array<char, 16> prev() const;              // hexadecimal

 private:
  struct Contexts;
  std::unique_ptr<Contexts> contexts_;
  std::array<unsigned char, 32> link_{};
  std::size_t link_size_ = sizeof(Mac);
};

Mac key_fingerprint(const Key& key);

std::string hexadecimal(std::span<const unsigned char> bytes);
// Lower case only, of exactly that many bytes: a line has one spelling.
std::optional<Mac> parse_mac(std::string_view text);
bool is_hexadecimal(std::string_view text);

}  // namespace clawpatrol::audit
