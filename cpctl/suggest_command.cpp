// `cpctl rules suggest` and `cpctl enforce`: from observing to enforcing.
#include <fmt/format.h>

#include <chrono>

#include "cpctl/cases/recorded.h"
#include "cpctl/commands.h"
#include "cpctl/printable.h"
#include "cpctl/suggest.h"
#include "cpctl/units.h"
#include "daemon/audit/line.h"
#include "daemon/gateway/command_views.h"
#include "policy/config/units.h"

namespace clawpatrol::cpctl {
namespace {

// The time in a line, without reading the whole of it; "" where it has none.
std::string_view time_of(std::string_view line) {
  constexpr std::string_view key = R"("time":")";
  const std::size_t at = line.find(key);
  if (at == line.npos) return "";
  line.remove_prefix(at + key.size());
  return line.substr(0, line.find('"'));
}

std::int64_t now_unix_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

int rules_suggest(Context context, const SuggestRequest& request) {
  Console& console = context.console;
  std::string since;
  if (!request.since.empty()) {
    auto span = config::parse_duration(request.since);
    if (!span) {
      console.complain("--since: " + span.error(), "Such as 30m, 8h or 7d.");
      return exit_usage;
    }
    since = time_text(now_unix_ns() - *span);
  }
  Suggestions suggestions;
  const auto log = request.log.empty() ? context.paths.state / "audit" : request.log;
  auto read = for_each_line(log, [&](std::string_view line) {
    // Times of one form, so that their order is that of their text.
    if (time_of(line) >= since) suggestions.take(line);
  });
  if (!read) {
    console.complain(read.error(), "Root alone may read the gateway's own; --log PATH names another.");
    return exit_no;
  }
  if (suggestions.rules() > 0)
    console.out(
        "# As narrow as the audit log allows. Columns, constants, queries and bodies are not in it: rules "
        "for\n"
        "# data (SELECT, INSERT, UPDATE, DELETE, MERGE, COPY) and requests leave them open. Read before "
        "use.\n\n");
  console.out(suggestions.toml());
  for (const auto& [why, count] : suggestions.left_out())
    console.err(fmt::format("left out: {}: {}\n", counted(count, "action"), printable(why)));
  if (suggestions.actions() == 0) {
    console.err("nothing was done that no rule was for\n");
    return exit_ok;
  }
  console.err(fmt::format("{} for {}. Put them into a file in conf.d, then: cpctl diff OLD NEW --replay {}\n",
                          counted(suggestions.rules(), "rule"), counted(suggestions.actions(), "action"),
                          printable(log.native())));
  return exit_ok;
}

}  // namespace clawpatrol::cpctl
