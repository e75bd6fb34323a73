// The server's direction: which message each answer belongs to, and what the agent sees of it. Rows and data
// are not looked into.
#include "daemon/gateway/postgres/params.h"
#include "daemon/gateway/postgres/session.h"
#include "daemon/gateway/postgres/upstream_login.h"
#include "parsers/postgres/backend.h"
#include "parsers/postgres/build.h"

namespace clawpatrol::postgres {
namespace {

// What an error says is not there: gone with its transaction, or dropped in the same message, it has no name
// here any more, but in what asked for it. "": it says nothing of the kind.
std::string_view missing_name(const Expected& entry, std::string_view code) {
  if (code != "34000" && code != "26000") return "";
  if (entry.asked == Asked::execute || entry.asked == Asked::describe_portal) return entry.name;
  const bool in_query = entry.asked == Asked::query && entry.analysis;
  return in_query && entry.at_statement < entry.analysis->statements.size()
             ? std::string_view(entry.analysis->statements[entry.at_statement].name)
             : "";
}

}  // namespace

std::size_t Session::from_server(std::string_view bytes, std::string& rewritten, std::string_view& out) {
  rewritten.clear();
  std::size_t used = 0, copied = 0;
  bool changed = false;
  while (used < bytes.size() && ending_ != Ending::at_once) {
    auto step = server_frames_.peek(bytes.substr(used));
    if (std::holds_alternative<NeedMore>(step)) break;
    if (auto* malformed = std::get_if<Malformed>(&step)) {
      server_error(malformed->why);
      break;
    }
    const Frame& frame = std::get<Parsed<Frame>>(step).event;
    const std::size_t replaced_from = rewritten.size();
    if (frame.begins) passing_ = answer(frame, rewritten);
    if (ending_ == Ending::at_once) break;
    server_frames_.take(frame);
    if (passing_ != Onward::pass) {
      // What has passed so far goes before what replaces this message.
      rewritten.insert(replaced_from, bytes.substr(copied, used - copied));
      copied = used + frame.raw.size();
      changed = true;
    }
    used += frame.raw.size();
  }
  if (changed) rewritten += bytes.substr(copied, used - copied);
  out = changed ? std::string_view(rewritten) : bytes.substr(0, used);
  return used;
}

Session::Onward Session::answer(const Frame& frame, std::string& replacement) {
  if (!queue_.empty()) queue_.front().bytes_down += frame.size;
  switch (frame.type) {
    case 'D':
    case 'd':
    case 'c':
    case 'A': return Onward::pass;
    case 'N': return names_as_the_agents(frame, "", replacement);
    case 't': return on_parameter_description(frame);
    case 'V':
      if (queue_.empty() || queue_.front().asked != Asked::function_call)
        return unexpected("a function's result");
      note(queue_.front(), true, "00000");
      queue_.front().answered = true;
      return Onward::pass;
    case 'T':
    case 'n': return on_row_description();
    case '1':
    case '2':
    case '3': return on_acknowledged(frame);
    case 'C':
    case 'I':
    case 's': return on_complete(frame);
    case 'H': return Onward::pass;
    case 'G':
    case 'W': return on_copy_in(frame);
    case 'E': return on_error(frame, replacement);
    case 'Z': return on_ready(frame);
    case 'S': return on_parameter(frame);
    default: return unexpected("a message that belongs to a login");
  }
}

Session::Onward Session::unexpected(std::string_view why) {
  server_error(why);
  return Onward::drop;
}

// A server that answers what was not asked, or that we misunderstand: nothing that we believe of it holds.
void Session::server_error(std::string_view why) {
  const std::string message = "the gateway closed this connection: the server sent what it did not expect: ";
  end(judge_.refuse("the server broke the protocol", "08006", message + std::string(why)).denial,
      Ending::at_once);
}

Session::Onward Session::on_acknowledged(const Frame& frame) {
  if (queue_.empty()) return unexpected("an acknowledgement of nothing");
  Expected& entry = queue_.front();
  const bool close = entry.asked == Asked::close_statement || entry.asked == Asked::close_portal;
  const bool fits = frame.type == '1'   ? entry.asked == Asked::parse
                    : frame.type == '2' ? entry.asked == Asked::bind
                                        : close;
  if (!fits || !frame.whole()) return unexpected("an acknowledgement of another message");
  if (entry.denial) return unexpected("a message that was certain to fail did not");
  const Onward onward = entry.hidden ? Onward::drop : Onward::pass;
  note(entry, true, "00000");
  accept(entry);
  pop();
  return onward;
}

Session::Onward Session::on_row_description() {
  if (queue_.empty()) return unexpected("a row description of nothing");
  Expected& entry = queue_.front();
  if (entry.asked == Asked::query) return Onward::pass;
  if (entry.asked != Asked::describe_statement && entry.asked != Asked::describe_portal)
    return unexpected("a row description that was not asked for");
  const Onward onward = entry.hidden ? Onward::drop : Onward::pass;
  // A server that says nothing of the parameters is not asked again.
  if (entry.statement && entry.statement->described == Prepared::Described::no)
    entry.statement->described = Prepared::Described::yes;
  pop();
  return onward;
}

Session::Onward Session::on_parameter_description(const Frame& frame) {
  if (queue_.empty() || queue_.front().asked != Asked::describe_statement || queue_.front().denial)
    return unexpected("a description of parameters that was not asked for");
  Expected& entry = queue_.front();
  // One of tens of thousands of parameters is larger than is held: its types stay unknown.
  if (frame.whole()) {
    auto description = read_parameter_description(frame.body);
    if (!description) return unexpected(description.error().why);
    learn_types(*entry.statement, *description);
  }
  return entry.hidden ? Onward::drop : Onward::pass;
}

// A statement keeps the types of its parameters for as long as it lives, whatever becomes of the tables that
// they were taken from.
void Session::learn_types(Prepared& statement, const ParameterDescription& description) {
  if (!agrees(description, {statement.type_count, statement.types})) {
    statement.described = Prepared::Described::otherwise;
    return;
  }
  const std::size_t more = description.types.size() - statement.types.size();
  if (more != 0 && prepared_bytes_ + more > limits_.prepared) return;
  statement.charge.grow(more);
  statement.types = description.types;
  statement.type_count = description.type_count;
  statement.described = Prepared::Described::yes;
}

Session::Onward Session::on_complete(const Frame& frame) {
  if (queue_.empty()) return unexpected("the end of a statement that was not sent");
  Expected& entry = queue_.front();
  if (entry.denial) return unexpected("a message that was certain to fail did not");
  if (entry.asked == Asked::query) {
    if (frame.type == 's') return unexpected("a suspended portal that was not asked for");
    note(entry, true, "00000");
    if (frame.type == 'I') return Onward::pass;
    if (entry.analysis && entry.at_statement < entry.analysis->statements.size() &&
        entry.analysis->readable == sql::Readable::yes)
      apply(entry.analysis->statements[entry.at_statement], entry.at_statement, entry);
    ++entry.at_statement;
    path_answered(entry);
    return Onward::pass;
  }
  if (entry.asked != Asked::execute) return unexpected("the end of another message");
  note(entry, true, "00000");
  const sql::Effect effect = entry.statement ? entry.statement->effect() : sql::Effect::none;
  if (frame.type == 'C' && (changes_names(effect) || moves_savepoint(effect)) && !entry.statement->opaque)
    apply(*entry.statement->statement(), entry.statement->index, entry);
  path_answered(entry);
  pop();
  return Onward::pass;
}

Session::Onward Session::on_copy_in(const Frame& frame) {
  const bool both = frame.type == 'W';
  if (queue_.empty() || !queue_.front().may_copy_in || (both && kind_ != Kind::replication))
    return unexpected("a COPY that was not asked for");
  copying_ = true;
  copy_wait_ = 0;
  return Onward::pass;
}

Session::Onward Session::on_parameter(const Frame& frame) {
  auto status = read_parameter_status(frame.body);
  if (!status || !frame.whole()) return unexpected("a malformed ParameterStatus");
  if (!is_safe_report(status->name, status->value)) {
    const std::string message =
        "the gateway closed this connection: the server now reads text in a way that it cannot follow: ";
    end(judge_
            .refuse("reading settings", "08P01",
                    message + in_quotes(status->name) + " is now " + in_quotes(status->value))
            .denial,
        Ending::at_once);
    return Onward::drop;
  }
  if (status->name == "client_encoding") judge_.set_encoding(status->value);
  return Onward::pass;
}

Session::Onward Session::on_error(const Frame& frame, std::string& replacement) {
  // One that quotes a long value is larger than is held: its rest streams on.
  auto error = frame.whole() ? read_error(frame.body) : peek_error(frame.body);
  if (!error || error->code.size() != 5) return unexpected("a malformed error");
  if (error->is_fatal()) return Onward::pass;  // it closes
  if (queue_.empty()) return unexpected("an error of nothing");
  Expected& entry = queue_.front();
  Onward onward = Onward::pass;
  if (entry.denial) {
    const Denial& denial = *entry.denial;
    append_error(replacement, {.severity = "ERROR",
                               .code = denial.code,
                               .message = denial.message,
                               .detail = denial.detail,
                               .hint = denial.hint,
                               .position = denial.position});
    onward = Onward::replace;
  } else {
    onward = names_as_the_agents(frame, missing_name(entry, error->code), replacement);
  }
  note(entry, false, error->code);
  settled_path_.reset();
  entry.answered = true;
  copying_ = false;
  if (copy_wait_ != 0 && copy_wait_ <= entry.number) copy_wait_ = 0;
  if (entry.asked == Asked::query) note_statements_behind(entry, "skipped");
  if (ends_with_ready(entry.asked)) {
    entry.failed = true;
    return onward;
  }
  // The server skips to the next Sync. Where that has been sent, so have the messages that are skipped.
  while (!queue_.empty() && queue_.front().asked != Asked::sync) {
    skip(queue_.front());
    pop();
  }
  if (queue_.empty()) skipping_ = true;
  return onward;
}

Session::Onward Session::on_ready(const Frame& frame) {
  auto state = read_ready(frame.body);
  if (!state || queue_.empty() || !ends_with_ready(queue_.front().asked))
    return unexpected("readiness out of turn");
  Expected& entry = queue_.front();
  if (entry.denial && !entry.failed) return unexpected("a message that was certain to fail did not");
  accept(entry);
  transaction_ = *state;
  path_ready();
  // What unread code did to the settings has been reported by now.
  if (entry.number >= taint_) taint_ = 0;
  if (transaction_ == 'I') {
    portals_.forget([](std::string_view, const Portal& portal) { return !portal.outlives_transaction; });
    savepoints_.clear();
  }
  pop();
  return Onward::pass;
}

void Session::pop() {
  if (copy_wait_ == queue_.front().number) copy_wait_ = 0;
  queue_.pop();
}

// A message was answered: what it proposed has come true.
void Session::accept(const Expected& entry) {
  if (entry.asked == Asked::parse || entry.asked == Asked::close_statement)
    statements_.accept(entry.name, entry.number);
  if (entry.asked == Asked::bind || entry.asked == Asked::close_portal)
    portals_.accept(entry.name, entry.number);
  if (entry.drops_unnamed) {
    statements_.accept("", entry.number);
    portals_.accept("", entry.number);
  }
}

// A message failed or was skipped: what it proposed has not come true.
void Session::skip(Expected& entry) {
  if (entry.asked == Asked::parse || entry.asked == Asked::close_statement)
    statements_.drop(entry.name, entry.number);
  if (entry.asked == Asked::bind || entry.asked == Asked::close_portal)
    portals_.drop(entry.name, entry.number);
  if (entry.drops_unnamed) {
    statements_.drop("", entry.number);
    portals_.drop("", entry.number);
  }
  if (entry.answered) return;
  note(entry, false, "skipped");
  if (entry.asked == Asked::query) note_statements_behind(entry, "skipped");
}

void Session::note_statements_behind(Expected& entry, std::string_view code) {
  while (entry.action_at(++entry.at_statement) != 0) note(entry, false, code);
}

void Session::note_unanswered() {
  for (; !queue_.empty(); queue_.pop()) {
    Expected& entry = queue_.front();
    if (entry.answered) continue;
    note(entry, false, "ended");
    if (entry.asked == Asked::query) note_statements_behind(entry, "ended");
  }
}

// How an action came out. A denied one has no outcome: it never ran.
void Session::note(Expected& entry, bool ok, std::string_view code) {
  const std::uint64_t action = entry.action_at(entry.asked == Asked::query ? entry.at_statement : 0);
  if (action == 0 || entry.denial || entry.failed) return;
  judge_.outcome(action, {.id = {},
                          .ok = ok,
                          .bytes_up = entry.bytes_up,
                          .bytes_down = entry.bytes_down,
                          .code = code,
                          .time_unix_ns = 0});
  entry.bytes_up = entry.bytes_down = 0;
}

// What closes all leaves the one that it runs in.
void Session::forget_portals_but(const Expected& entry) {
  portals_.forget([&](std::string_view name, const Portal&) {
    return entry.asked != Asked::execute || name != entry.name;
  });
}

// What a completed statement did to names.
void Session::apply(const sql::Statement& statement, std::size_t index, const Expected& entry) {
  using sql::Effect;
  switch (statement.effect) {
    case Effect::prepare:
    case Effect::declare_cursor: {
      auto made = std::make_shared<Prepared>();
      made->charge.take(prepared_bytes_, statement.length + 1024);
      made->analysis = entry.analysis ? entry.analysis : entry.statement->analysis;
      made->index = index;
      made->upstream = statement.name;
      made->by_sql = true;
      made->epoch = entry.epoch;
      // What a SET before it in its message made of the path, no session has had: it is read anew.
      static const auto no_session = std::make_shared<const sql::SearchPath>();
      made->path = entry.changes_path ? no_session : entry.analysis ? entry.path : entry.statement->path;
      made->action = entry.action_at(entry.asked == Asked::query ? index : 0);
      made->awaits_params = true;
      if (statement.effect == Effect::prepare) return statements_.set(statement.name, std::move(made));
      auto cursor = std::make_shared<Portal>();
      cursor->path = made->path;
      cursor->statement = std::move(made);
      cursor->upstream = statement.name;
      cursor->by_sql = true;
      cursor->outlives_transaction = statement.outlives_transaction;
      cursor->made = {entry.number, entry.at_statement};
      cursor->epoch = entry.epoch;
      return portals_.set(statement.name, std::move(cursor));
    }
    case Effect::deallocate: return statements_.set(statement.name, nullptr);
    case Effect::close_cursor: return portals_.set(statement.name, nullptr);
    case Effect::close_all_cursors: return forget_portals_but(entry);
    case Effect::discard_all: forget_portals_but(entry); [[fallthrough]];
    case Effect::deallocate_all:
      return statements_.forget([](std::string_view name, const Prepared&) { return !name.empty(); });
    case Effect::savepoint:
    case Effect::release:
    case Effect::rollback_to: return apply_to_savepoints(statement, {entry.number, entry.at_statement});
    default: return;
  }
}

}  // namespace clawpatrol::postgres
