// The agent's direction: what each message is, what must wait, and what goes upstream in its place.
#include "daemon/gateway/postgres/session.h"

#include "parsers/postgres/build.h"

namespace clawpatrol::postgres {
namespace {

// What is judged in one go, however much has come.
constexpr std::size_t most_messages = 64;
constexpr std::size_t most_bytes = 16 << 10;
constexpr std::size_t most_line_bytes = 64 << 10;  // of audit lines

constexpr std::string_view unacted = "clawpatrol refused this message";

bool is_copy_message(char type) {
  return type == 'd' || type == 'c' || type == 'f';
}

}  // namespace

Session::Session(Judge& judge, Limits limits, Kind kind)
    : judge_(judge),
      limits_(limits),
      kind_(kind),
      agent_frames_(Side::frontend, limits.whole_message),
      server_frames_(Side::backend, limits.whole_message) {}

std::size_t Session::from_agent(std::string_view bytes) {
  waits_ = has_more_ = false;
  if (!judge_.take_generation()) end_for_change();
  std::size_t used = 0, messages = 0, judged = 0;
  while (ending_ == Ending::none && used < bytes.size()) {
    has_more_ = messages == most_messages || judged >= most_bytes || judge_.line_bytes() >= most_line_bytes;
    if (has_more_) break;
    auto step = agent_frames_.peek(bytes.substr(used));
    if (std::holds_alternative<NeedMore>(step)) break;
    if (auto* malformed = std::get_if<Malformed>(&step)) {
      protocol_error(malformed->why);
      break;
    }
    const Frame& frame = std::get<Parsed<Frame>>(step).event;
    if (!take(frame)) {
      waits_ = true;
      break;
    }
    // What was made of a long text is larger than the text, and is not asked for again.
    scratch_.clear();
    judge_.forget_long_text();
    agent_frames_.take(frame);
    used += frame.raw.size();
    ++messages;
    if (!is_copy_message(frame.type)) judged += frame.raw.size();
  }
  return used;
}

bool Session::take(const Frame& frame) {
  if (!frame.begins) {
    if (parts_ == Parts::forward) up_ += frame.raw;
    return true;
  }
  parts_ = Parts::drop;
  if (copying_) return take_in_copy(frame);
  if (skipping_ && frame.type != 'S' && frame.type != 'X') return true;
  if (copy_wait_ != 0 || queue_.size() >= limits_.in_flight) return must_wait();
  if (is_copy_message(frame.type)) return true;  // what is left of a COPY that failed; a server drops it too
  if (held_) return false;
  if (!frame.ends) return take_oversize(frame);
  switch (frame.type) {
    case 'Q': return on_query(frame);
    case 'P': return on_parse(frame);
    case 'B': return on_bind(frame);
    case 'D': return on_describe(frame);
    case 'E': return on_execute(frame);
    case 'C': return on_close(frame);
    case 'F': return on_function_call(frame);
    case 'S':
    case 'H':
    case 'X':
      if (!frame.body.empty()) return protocol_error("message with a body that should have none"), true;
      if (frame.type == 'S') on_sync();
      if (frame.type == 'H') append_empty(up_, 'H'), flushed_ = true;
      if (frame.type == 'X') append_empty(up_, 'X'), ending_ = Ending::graceful;
      return true;
    default: return protocol_error("message that does not belong here"), true;
  }
}

// In COPY IN the server ignores Sync and Flush, so they are not expected to be answered.
bool Session::take_in_copy(const Frame& frame) {
  if (frame.type == 'H' || frame.type == 'S') return true;
  if (!is_copy_message(frame.type)) return protocol_error("message that does not belong into a COPY"), true;
  if (frame.type == 'c' && !frame.body.empty()) return protocol_error("CopyDone with a body"), true;
  if (frame.type == 'f' && !frame.ends) return protocol_error("CopyFail over the limit"), true;
  parts_ = Parts::forward;
  up_ += frame.raw;
  if (!queue_.empty()) queue_.front().bytes_up += frame.size;
  if (frame.type == 'd') return true;
  copying_ = false;
  copy_wait_ = queue_.oldest();
  // Outside of a Query the server keeps the COPY's end to itself until it is asked for it.
  flushed_ = queue_.empty() || ends_with_ready(queue_.front().asked);
  return true;
}

// Only the start of such a message is here, and the rest will not be held. What it says is therefore unknown;
// a rule that allows it without looking lets it stream.
bool Session::take_oversize(const Frame& frame) {
  if (frame.type == 'B') return on_bind(frame);
  if (frame.type == 'Q') return on_query(frame);
  if (frame.type == 'P') return on_parse(frame);
  protocol_error("message larger than the gateway holds");
  return true;
}

void Session::on_sync() {
  skipping_ = false;
  const std::size_t begins = up_.size();
  Expected& entry = queue_.push(Asked::sync);
  append_empty(up_, 'S');
  last_ready_ = entry.number;
  flushed_ = true;
  segments_.push_back({begins, up_.size(), entry.number, false});
  ++batch_;
}

bool Session::must_wait() {
  // The server may hold its answers back until it is asked for them.
  if (!flushed_) append_empty(up_, 'H'), flushed_ = true;
  return false;
}

Expected& Session::begin(Asked asked, const Frame& frame) {
  Expected& entry = queue_.push(asked);
  entry.epoch = epoch_;
  entry.path = judge_.search_path();
  entry.bytes_up = frame.size;
  return entry;
}

void Session::finish(const Expected& entry, std::size_t segment_begins) {
  segments_.push_back({segment_begins, up_.size(), entry.number, entry.action != 0});
  flushed_ = ends_with_ready(entry.asked);
  if (ends_with_ready(entry.asked)) last_ready_ = entry.number;
}

// What the forwarded message may do to what we rely on.
void Session::forwarded(Expected& entry, const Message& message) {
  path_forwarded(entry, message);
  if (message.unread) ++epoch_;
  if (message.unread || message.may_change_settings) taint_ = entry.number;
  if (message.changes_names) last_name_change_ = entry.number;
  if (message.may_copy_in) copy_wait_ = entry.number;
}

// A message that the server is certain to refuse, where the agent's would have stood. In the extended
// protocol everything up to Sync is then skipped there, so it need not be judged.
void Session::append_poison(std::string& out, Asked asked, std::string_view text, std::string_view unnamed) {
  if (ends_with_ready(asked)) return append_query(out, text);
  // A denied unnamed Parse destroys the unnamed statement, as a failed one does. No other name of ours is
  // this.
  append_parse(out, unnamed.empty() ? "" : std::string(own_prefix) + "never", text);
}

void Session::poison(Asked asked, const Frame& frame, std::unique_ptr<Denial> denial, std::uint64_t action,
                     std::string_view unnamed) {
  const std::size_t begins = up_.size();
  Expected& entry = begin(asked, frame);
  entry.denial = std::move(denial);
  if (asked == Asked::query) drop_unnamed(entry);
  append_poison(up_, asked, action ? "clawpatrol denied " + action_id_text(action) : std::string(unacted),
                unnamed);
  finish(entry, begins);
  if (!ends_with_ready(asked)) skipping_ = true;
}

bool Session::refuse(Asked asked, const Frame& frame, std::string_view code, std::string message,
                     std::string_view unnamed) {
  poison(asked, frame, error_of(code, std::move(message)), 0, unnamed);
  return true;
}

// A Query destroys the unnamed statement and portal before it does anything else.
void Session::drop_unnamed(Expected& entry) {
  if (!statements_.mentions("") && !portals_.mentions("")) return;
  entry.drops_unnamed = true;
  statements_.propose("", entry.number, batch_, nullptr);
  portals_.propose("", entry.number, batch_, nullptr);
}

void Session::refuse_batch() {
  std::string instead;
  std::size_t copied = 0;
  for (const Segment& segment : segments_) {
    instead.append(up_, copied, segment.begin - copied);
    copied = segment.begin;
    Expected* entry = segment.acts ? queue_.find(segment.entry) : nullptr;
    if (entry == nullptr || entry->denial) continue;
    entry->denial = std::make_unique<Denial>(
        Denial{.code = "53100",
               .message = "the gateway could not record this in its audit log, so it was not sent",
               .detail = "Action " + action_id_text(entry->action) + ".",
               .hint = "Ask the operator to look at the audit log's disk."});
    append_poison(instead, entry->asked, unacted, entry->asked == Asked::parse ? entry->name : "x");
    copied = segment.end;
    if (segment.entry == copy_wait_) copy_wait_ = 0;
  }
  instead.append(up_, copied);
  if (copied == up_.size()) parts_ = Parts::drop;
  up_ = std::move(instead);
}

void Session::sent() {
  up_.clear();
  segments_.clear();
}

void Session::end(Denial why, Ending how) {
  if (ending_ != Ending::none && (ending_ == Ending::at_once || how == Ending::graceful)) return;
  if (how == Ending::graceful) append_empty(up_, 'X');
  ending_ = how;
  if (!farewell_) farewell_ = std::move(why);
}

void Session::end_for_change() {
  end({.code = "57P01",
       .message = "the gateway's configuration for this connection has changed",
       .detail = "The endpoint, the credential or the peer's profile is not what it was at login.",
       .hint = "Connect again."},
      Ending::at_once);
}

void Session::protocol_error(std::string_view why) {
  // Within a COPY or a message that is half sent a Terminate would not be understood.
  const bool clean = !copying_ && !agent_frames_.within_message();
  end(judge_.refuse("protocol error", "08P01", "protocol error: " + std::string(why)).denial,
      clean ? Ending::graceful : Ending::at_once);
}

}  // namespace clawpatrol::postgres
