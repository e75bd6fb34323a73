// The body of an audit line (docs/formats.md): everything inside the braces but what the log itself adds.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/gateway/actions.h"
#include "parsers/facets.h"

namespace clawpatrol {

// A statement of more than this stands in a line by its first bytes and its digest.
inline constexpr std::size_t longest_text_in_line = 1024;
inline constexpr std::size_t longest_excerpt = 256;

std::string sha256_hex(std::string_view bytes);

// The facets that are known, as the members of a JSON object; lists that are open carry "open":[names].
std::string facets_json(const SqlFacets& facets);

// Lines of one connection repeat most of what they say: that part is written once.
class AuditLines {
 public:
  explicit AuditLines(const FlowFacets& flow, std::uint64_t flow_id);

  // `facets`: members of a JSON object, or empty. Parameters and the session's own are added to them.
  std::string action(const ActionRecord& record, std::string_view facets) const;

  struct Outcome {
    std::uint64_t id = 0;
    bool ok = false;
    std::uint64_t bytes_up = 0;
    std::uint64_t bytes_down = 0;
    std::string_view code;  // SQLSTATE; 00000 for success
    std::int64_t time_unix_ns = 0;
  };
  static std::string outcome(const Outcome& outcome);

  // The whole of a text that action lines name by its digest. Written once a connection.
  static std::string text_line(std::string_view digest, std::string_view whole, std::int64_t time_unix_ns);

 private:
  std::string constant_;
  std::string session_;  // of `facets`
};

}  // namespace clawpatrol
