// Checks a whole audit log against its key, and against a head that was kept elsewhere.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "daemon/audit/findings.h"
#include "daemon/audit/key.h"
#include "daemon/audit/log.h"

namespace clawpatrol::audit {

// What became of the head that was asked for.
enum class HeadCheck : std::uint8_t {
  not_asked,
  found,    // the log holds it, and everything that it covers is intact as far as the findings say
  missing,  // the tail was cut, or written anew behind a cut: there is a finding
  pruned,   // older than the oldest segment kept: nothing can be said
};

// A crash that the daemon recovered from, or a file that it gave up: part of a log that is intact.
struct Break {
  std::string file;   // the segment that was begun after it
  std::string event;  // "recovered" or "replaced"
  std::uint64_t abandoned =
      0;  // bytes left behind in the segment before; nobody was told that they are recorded
};

struct Report {
  std::vector<Finding> findings;  // in order of place
  std::vector<Break> breaks;
  std::uint64_t segments = 0, lines = 0, groups = 0;
  std::uint64_t first_seq = 0, last_seq = 0;
  std::optional<Head> head;  // the last group
  HeadCheck head_check = HeadCheck::not_asked;

  bool intact() const { return findings.empty(); }
  bool older_pruned() const { return first_seq > 1; }
};

// Reads the directory as it is; a daemon may be writing meanwhile, whose last group can then look torn. Fails
// only where something cannot be read.
std::expected<Report, Error> verify(const std::filesystem::path& directory, const Key& key,
                                    const std::optional<Head>& head = std::nullopt);

}  // namespace clawpatrol::audit
