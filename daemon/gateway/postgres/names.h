// What a name means while messages about it are in flight. A change is proposed when its message is forwarded
// and settled by the server's answer; until then only the batch that proposed it may rely on it, since in
// that batch whatever follows a failure is skipped (attacks.md, 3).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace clawpatrol::postgres {

template <class Value>
class Names {
 public:
  using Pointer = std::shared_ptr<Value>;

  // What `name` means for a message of `batch`; a null pointer: nothing. Nullopt: not certain yet, and the
  // answer that decides it is on its way.
  std::optional<Pointer> find(std::string_view name, std::uint64_t batch) const {
    auto found = slots_.find(name);
    if (found == slots_.end()) return Pointer();
    const Slot& slot = found->second;
    if (slot.pending.empty()) return slot.settled;
    if (slot.pending.back().batch != batch) return std::nullopt;
    return slot.pending.back().value;
  }

  // Whether there is anything, settled or proposed, under this name.
  bool mentions(std::string_view name) const { return slots_.contains(name); }

  void propose(std::string_view name, std::uint64_t message, std::uint64_t batch, Pointer value) {
    auto found = slots_.find(name);
    if (found == slots_.end()) found = slots_.emplace(std::string(name), Slot{}).first;
    found->second.pending.push_back({message, batch, std::move(value)});
  }

  // The server has answered the message that proposed a change: it came true, or it did not.
  void accept(std::string_view name, std::uint64_t message) { settle(name, message, Outcome::accepted); }
  void drop(std::string_view name, std::uint64_t message) { settle(name, message, Outcome::dropped); }

  // What SQL did, by its CommandComplete.
  void set(std::string_view name, Pointer value) {
    auto found = slots_.find(name);
    if (found == slots_.end()) found = slots_.emplace(std::string(name), Slot{}).first;
    found->second.settled = std::move(value);
    forget_if_empty(found);
  }

  // Forgets the settled meaning of every name for which `gone(name, value)` is true.
  template <class Gone>
  void forget(Gone gone) {
    for (auto at = slots_.begin(); at != slots_.end();) {
      Slot& slot = at->second;
      if (slot.settled && gone(std::string_view(at->first), *slot.settled)) slot.settled = nullptr;
      if (!slot.settled && slot.pending.empty())
        at = slots_.erase(at);
      else
        ++at;
    }
  }

  // The name under which there is a value, settled or proposed, for which `is(value)` is true. Looks at all.
  template <class Is>
  std::optional<std::string_view> name_of(Is is) const {
    for (const auto& [name, slot] : slots_) {
      if (slot.settled && is(*slot.settled)) return name;
      for (const Change& change : slot.pending)
        if (change.value && is(*change.value)) return name;
    }
    return std::nullopt;
  }

  std::size_t size() const { return slots_.size(); }

 private:
  struct Change {
    std::uint64_t message;
    std::uint64_t batch;
    Pointer value;
  };
  struct Slot {
    Pointer settled;
    std::vector<Change> pending;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Slots = std::unordered_map<std::string, Slot, Hash, std::equal_to<>>;
  enum class Outcome : std::uint8_t { accepted, dropped };

  void settle(std::string_view name, std::uint64_t message, Outcome outcome) {
    auto found = slots_.find(name);
    if (found == slots_.end()) return;
    auto& pending = found->second.pending;
    for (std::size_t i = 0; i < pending.size(); ++i) {
      if (pending[i].message != message) continue;
      if (outcome == Outcome::accepted) found->second.settled = std::move(pending[i].value);
      pending.erase(pending.begin() + static_cast<std::ptrdiff_t>(i));
      break;
    }
    forget_if_empty(found);
  }

  void forget_if_empty(typename Slots::iterator found) {
    if (!found->second.settled && found->second.pending.empty()) slots_.erase(found);
  }

  Slots slots_;
};

}  // namespace clawpatrol::postgres
