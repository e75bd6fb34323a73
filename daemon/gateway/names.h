// Virtual addresses: the resolver gives every endpoint name an address of its own, so that the destination of
// a connection says afterwards which name was dialled (attacks.md, 22).
//
// Exact names own their address for ever, over restarts, and it is never given to another name. A name that
// only a wildcard covers is leased an address for one peer, held for the answer's TTL, an hour, and any flow;
// each peer has a quota. Everything is in <state>/names.json, written before an address is given out.
#pragma once

#include <atomic>
#include <chrono>
#include <expected>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/files/private_directory.h"
#include "daemon/gateway/names_file.h"
#include "daemon/ring/error.h"
#include "daemon/ring/timers.h"
#include "policy/policy.h"

namespace clawpatrol {

enum class Family : std::uint8_t { v4, v6 };

class VirtualNames {
 public:
  struct Options {
    std::size_t leases_per_peer = 256;
    std::chrono::seconds hold = std::chrono::hours(1);                     // beyond the TTL
    std::function<Clock::time_point()> now = [] { return Clock::now(); };  // for tests
  };
  static constexpr std::chrono::seconds ttl{60};  // of every answer with a virtual address

  struct Lease;

  // A name that a peer dialled by its virtual address; while it lives, a lease behind it does not end. Must
  // not outlive the VirtualNames.
  class Dialled {
   public:
    Dialled(Dialled&&) noexcept = default;
    Dialled& operator=(Dialled&&) = delete;
    ~Dialled();
    std::string name;

   private:
    friend class VirtualNames;
    Dialled(std::string its_name, VirtualNames& names, std::shared_ptr<Lease> lease)
        : name(std::move(its_name)), names_(names), lease_(std::move(lease)) {}
    VirtualNames& names_;
    std::shared_ptr<Lease> lease_;  // shared with the table, which may drop it first; null for an exact name
  };

  // `ranges` are [gateway] virtual: one of a family at most counts. Refuses a file that it cannot read whole.
  static std::expected<std::unique_ptr<VirtualNames>, Error> open(
      const std::filesystem::path& state_directory, const std::vector<Prefix>& ranges, Options options);
  static std::expected<std::unique_ptr<VirtualNames>, Error> open(
      const std::filesystem::path& state_directory, const std::vector<Prefix>& ranges) {
    return open(state_directory, ranges, Options{});
  }

  // Gives every exact host name of the policy its addresses, durably, and follows a change of its ranges. On
  // an error nothing has changed. For the control thread.
  std::expected<void, Error> adopt(const Policy& policy);

  // Any thread from here on.
  bool has(Family family) const;
  // Of an exact name that was adopted.
  std::optional<Address> address_of(std::string_view name, Family family) const;
  // Of a name that a wildcard covers, for this peer alone; renewed by every call. Nothing: its quota or the
  // range is used up, or it could not be recorded.
  std::optional<Address> lease(std::string_view name, Family family, std::uint32_t peer_id);
  // Nothing: no name that this peer may mean owns the address; the connection is to be reset.
  std::optional<Dialled> dialled(const Address& address, std::uint32_t peer_id);
  std::optional<std::string> name_of(const Address& address, std::uint32_t peer_id);

 private:
  using Index = std::uint32_t;

  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  // What never changes under a reader: replaced whole by adopt().
  struct Exact {
    std::vector<Prefix> ranges;
    Index size = 0;  // indices below it have an address in every range
    std::unordered_map<std::string, Index, TextHash, std::equal_to<>> by_name;
    std::unordered_map<Index, std::string> by_index;
  };
  VirtualNames(PrivateDirectory directory, Options options)
      : directory_(std::move(directory)), options_(std::move(options)) {}

  static std::shared_ptr<Exact> empty_exact(const std::vector<Prefix>& ranges);
  static std::optional<Address> address_at(const Exact& exact, Index index, Family family);
  static std::optional<Index> index_of(const Exact& exact, const Address& address);

  void move_to(Exact& next, NamesFile& file) const;
  bool give_address(Exact& next, NamesFile& file, const std::string& name) const;
  static bool was_given(const Exact& exact, const NamesFile& file, Index index);
  void restore_leases(const Exact& exact, const NamesFile& file);
  bool reserve();
  std::optional<Index> next_free_index(const std::vector<Index>& taken);
  void end_leases();
  void add_lease(Index index, std::string name, std::uint32_t peer_id);
  NamesFile with_leases(NamesFile file, const std::vector<Index>& reserved) const;
  void release(Lease& lease);

  static constexpr const char* file_name = "names.json";

  PrivateDirectory directory_;
  Options options_;
  std::atomic<std::shared_ptr<const Exact>> exact_;

  mutable std::mutex mutex_;  // everything below
  NamesFile file_;            // as it was written last
  std::unordered_map<Index, std::shared_ptr<Lease>> leases_;
  std::map<std::pair<std::uint32_t, std::string>, Index> lease_of_;  // by peer and name
  std::unordered_map<std::uint32_t, std::size_t> leases_of_peer_;
  std::unordered_map<Index, Clock::time_point> resting_;  // perhaps given out before we started
  std::vector<Index> reserved_;                           // recorded, and not given out yet
  Index cursor_ = 0;
  Clock::time_point swept_;
};

struct VirtualNames::Lease {
  std::string name;
  std::uint32_t peer_id = 0;
  Clock::time_point until;
  std::size_t flows = 0;
};

}  // namespace clawpatrol
