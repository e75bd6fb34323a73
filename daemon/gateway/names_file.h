// <state>/names.json: which virtual address belongs to which name. Values only; names.h says what they mean.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/ring/error.h"
#include "policy/address.h"

namespace clawpatrol {

struct NamesFile {
  struct Exact {
    std::string name;
    std::uint32_t index = 0;
    std::vector<Address> addresses;
  };
  struct Lease {
    std::string name;
    std::uint32_t peer_id = 0;
    std::uint32_t index = 0;
  };
  std::vector<Prefix> ranges;
  std::vector<Exact> exact;
  std::vector<Address> retired;         // given to a name under other ranges: never given again
  std::vector<Lease> leases;            // those that lived when it was written
  std::vector<std::uint32_t> reserved;  // that may have been leased since

  static std::expected<NamesFile, Error> parse(std::string_view text);
  std::string text() const;
};

}  // namespace clawpatrol
