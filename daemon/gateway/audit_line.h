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

// What parameters, and lists, of one action may add to its line, before they are escaped.
inline constexpr std::size_t longest_params = 2048;
inline constexpr std::size_t longest_facets = 8 << 10;

// The facets that are known, as the members of a JSON object; "open" and "cut" name the lists that are open,
// and that are longer than is written.
std::string facets_json(const SqlFacets& facets);
// The same of parameters: `params`, and where that does not hold all of them their number and digest.
std::string params_json(const SqlParams& params);

// Lines of one connection repeat most of what they say: that part is written once.
class AuditLines {
 public:
  explicit AuditLines(const FlowFacets& flow, std::uint64_t flow_id);

  // `facets` and `params`: members of a JSON object, or empty. The session's own are added to them.
  std::string action(const ActionRecord& record, std::string_view facets, std::string_view params) const;

  struct Outcome {
    std::uint64_t id = 0;
    bool ok = false;
    std::uint64_t bytes_up = 0;
    std::uint64_t bytes_down = 0;
    std::string_view code;         // SQLSTATE; 00000 for success
    std::string_view why = {};     // for the operator, where the code does not tell
    std::string_view frames = {};  // of a WebSocket, in JSON
    std::int64_t time_unix_ns = 0;
  };
  static std::string outcome(const Outcome& outcome);

  // The whole of a text that action lines name by its digest. Written once a segment.
  static std::string text_line(std::string_view digest, std::string_view whole, std::int64_t time_unix_ns);

 private:
  std::string constant_;
  std::string session_;  // of `facets`
};

}  // namespace clawpatrol
