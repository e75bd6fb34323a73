// The audit log, read for an operator.
#include <algorithm>

#include "daemon/audit/reader.h"
#include "daemon/gateway/commands_state.h"

namespace clawpatrol {

namespace {

constexpr std::uint64_t most_tail_lines = 100'000;

// A line of the log as a member; one that somebody has damaged, as a text.
std::string audit_line_of(const std::string& text) {
  JsonObject line = message_of_type("audit_line");
  bool whole = control::Message::parse(text).has_value();
  return (whole ? line.add_json("line", text) : line.add("damaged", text)).text();
}

}  // namespace

Answer Commands::State::audit_head(const Request&) {
  if (!shared.audit) return answer_failure("audit", "there is no audit log");
  audit::Head head = shared.audit->head();
  JsonObject line = message_of_type("audit_head");
  line.add("head", audit::head_text(head)).add("seq", head.seq).add("mac", head.mac).add("boot", head.boot);
  return answer_line(line.text());
}

Answer Commands::State::audit_tail(const Request& request) {
  std::size_t count = std::min(request.fields.natural_or_zero("last"), most_tail_lines);
  std::shared_ptr<audit::Follower> follower;  // shared, since answers are copyable
  if (request.fields.flag("follow")) {
    // Begun before the last lines are read: a line that falls between the two is said twice, never not at
    // all.
    auto opened = audit::Follower::open(sources.audit_directory);
    if (!opened) return answer_failure("audit", opened.error().what);
    follower = std::move(*opened);
  }
  auto lookup =
      look_up([directory = sources.audit_directory, count] { return audit::last_lines(directory, count); });
  if (!lookup)
    return answer_failure("busy", "too many look-ups in the audit log at once", "Try again in a moment.");
  return [lookup, follower, next = std::size_t{0}, idle = Idle()](Output& output) mutable {
    std::lock_guard lock(lookup->mutex);
    if (!lookup->done) return Progress::waiting;
    if (!lookup->lines) {
      output.fail("audit", lookup->lines.error().what);
      return Progress::done;
    }
    std::vector<std::string>& lines = *lookup->lines;
    if (next == lines.size() && follower) {
      auto fresh = follower->next(std::chrono::milliseconds(0));
      if (!fresh) {
        output.fail("audit", fresh.error().what);
        return Progress::done;
      }
      lines = std::move(*fresh);
      next = 0;
      if (lines.empty()) return idle.waiting(output);
      idle.said();
    }
    for (std::size_t end = std::min(lines.size(), next + 64); next < end; ++next)
      output.line(audit_line_of(lines[next]));
    return next < lines.size() || follower ? Progress::more : Progress::done;
  };
}

}  // namespace clawpatrol
