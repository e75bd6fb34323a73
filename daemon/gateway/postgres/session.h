// One logged-in PostgreSQL connection between an agent and a server, as a state machine: bytes in, bytes and
// audit lines out. No sockets, no waits.
//
// A denial is made true at the server (attacks.md, 4): in place of the denied message goes one that is
// certain to fail there, and the server's error for it is replaced by ours. So order with results in flight,
// the state of the transaction, and what is skipped up to Sync are the server's own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/gateway/postgres/expected.h"
#include "daemon/gateway/postgres/judge.h"
#include "daemon/gateway/postgres/names.h"
#include "parsers/postgres/backend.h"
#include "parsers/postgres/frame.h"
#include "parsers/postgres/frontend.h"
#include "policy/sql/message_names.h"

namespace clawpatrol::postgres {

// Names of ours at the server begin with this; an agent's SQL may not use one.
inline constexpr std::string_view own_prefix = "_clawpatrol_";

inline std::string in_quotes(std::string_view name) {
  return "\"" + std::string(name) + "\"";
}

// An error that is not the policy's.
inline std::unique_ptr<Denial> error_of(std::string_view code, std::string message) {
  return std::make_unique<Denial>(
      Denial{.code = std::string(code), .message = std::move(message), .detail = {}, .hint = {}});
}

class Session {
 public:
  struct Limits {
    std::size_t whole_message = 256 << 10;  // a larger one is judged by its beginning and streamed
    std::size_t prepared = 4 << 20;
    std::size_t in_flight = 4096;
  };
  enum class Kind : std::uint8_t { ordinary, replication };
  Session(Judge& judge, Limits limits, Kind kind);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Agent's bytes. Returns how many were consumed; call again with the rest and more. Where waits() is then
  // true, not before the server has answered or a long text has been analysed.
  std::size_t from_agent(std::string_view bytes);
  bool waits() const { return waits_; }
  // It stopped before the end of what it can take, so that others have their turn: call again.
  bool has_more() const { return has_more_; }

  // What from_agent() has left to be sent, once the judge's lines have been recorded; if they could not be,
  // refuse_batch() first.
  void refuse_batch();
  std::string& to_server() { return up_; }
  void sent();

  // Server's bytes. Returns how many were consumed. `out` is what goes to the agent: a part of `bytes`, or of
  // `rewritten`, which the caller keeps.
  std::size_t from_server(std::string_view bytes, std::string& rewritten, std::string_view& out);

  // The connection is to end. `graceful`: what is in flight is answered first, and Terminate is part of
  // to_server(). Otherwise both sides close at once.
  enum class Ending : std::uint8_t { none, graceful, at_once };
  Ending ending() const { return ending_; }
  // What the agent is told at the end; nothing where it left by itself.
  const std::optional<Denial>& farewell() const { return farewell_; }
  // The operator, a reload, or the gateway's own end.
  void end(Denial why, Ending how);
  // What the connection rests on does not stand any more.
  void end_for_change();

  // Both sides are closed: the outcome of what was not answered.
  void note_unanswered();

  // Whether a farewell can be put on the agent's wire now, and not within a message.
  bool at_boundary() const { return !server_frames_.within_message(); }
  bool in_flight() const { return !queue_.empty(); }
  // Nothing comes of the server before the agent says more.
  bool awaits_agent() const { return queue_.empty() || copying_ || !flushed_ || within_message(); }
  bool within_message() const { return agent_frames_.within_message(); }  // of the agent's
  // While a cancellation is under way no further message is forwarded, so that it cannot hit the next
  // statement.
  void hold(bool on) { held_ = on; }
  char transaction() const { return transaction_; }

 private:
  // Each of these takes one message of the agent. False: it must wait for the server, and was not taken.
  bool take(const Frame& frame);
  bool take_in_copy(const Frame& frame);
  bool take_oversize(const Frame& frame);
  bool on_query(const Frame& frame);
  bool on_parse(const Frame& frame);
  bool on_bind(const Frame& frame);
  bool on_describe(const Frame& frame);
  bool on_close(const Frame& frame);
  bool on_execute(const Frame& frame);
  bool on_function_call(const Frame& frame);
  void on_sync();

  // What a message with SQL comes to.
  struct Part {
    const sql::Statement* statement = nullptr;
    std::optional<sql::Statement> merged;  // with what it executes or fetches from
    std::shared_ptr<const void> target;    // which one that is
    SubjectPointer subject;
    Opinion opinion;
  };
  struct Rewrite {
    std::size_t offset, length;
    std::string name;
  };
  struct Message {
    std::vector<Part> parts;
    std::vector<Rewrite> rewrites;
    ActionKind kind = ActionKind::session;
    std::unique_ptr<Denial> refusal;  // an error that is not the policy's: a name that does not exist
    std::string guard;                // refused whatever the rules say
    bool unread = false;              // runs code that was not read
    bool may_change_settings = false;
    bool may_copy_in = false;
    bool changes_names = false;
    bool moves_savepoint = false;
    sql::MessageNames names;  // that it has made or dropped so far
    sql::PathEffect path;     // of all its statements
    void clear();
  };
  enum class Readiness : std::uint8_t { ready, wait };
  // A Query runs at once. What is parsed runs when it is executed: only then does the server ask whether a
  // name that it makes is taken.
  enum class When : std::uint8_t { now, later };
  Readiness examine(const sql::Analysis& analysis, Message& message, When runs);
  Readiness examine_statement(const sql::Statement& statement, Message& message, When runs);
  Readiness find_executed(const sql::Statement& statement, Message& message, Part& part);
  Readiness find_fetched(const sql::Statement& statement, Message& message, Part& part);
  Readiness check_new_name(const sql::Statement& statement, Message& message);
  Readiness find_dropped(const sql::Statement& statement, Message& message);
  // What a statement runs by its name.
  struct Found {
    const sql::Statement* statement = nullptr;  // null: not certain
    std::shared_ptr<const void> identity;
    std::string_view upstream;
    bool by_sql = true;
  };
  void find_target(const sql::Statement& statement, const Found& found, Message& message, Part& part);
  bool find_in_message(const sql::Statement& statement, Message& message, Part& part);
  bool reading_is_certain(const sql::Statement& statement) const;

  // The parts' verdicts, written down. The denial, if any.
  struct Ruling {
    std::unique_ptr<Denial> denial;
    std::uint64_t action = 0;
    std::vector<std::uint64_t> more_actions;
    bool awaits_params = false;
  };
  Ruling rule(ActionType type, Message& message, const sql::Analysis& analysis, const ParamsPointer& params);
  std::unique_ptr<Denial> denial_of(const Opinion& opinion, std::uint64_t action,
                                    const sql::Analysis& analysis) const;
  Ruling rule_one(ActionType type, ActionKind kind, SubjectPointer subject, ParamsPointer params,
                  std::uint64_t parent, std::string_view text = {}, std::string_view params_json = {});

  // Names.
  std::optional<std::shared_ptr<Prepared>> find_statement(std::string_view name);
  std::optional<std::shared_ptr<Portal>> find_portal(std::string_view name);
  bool sql_names_settled() const { return last_name_change_ < queue_.oldest(); }
  bool needs_parse(std::string_view name, const Prepared& statement) const;
  bool may_be_parsed_later(std::string_view name, const Prepared& statement) const;
  std::shared_ptr<Prepared> parse_again(std::string_view name, const std::shared_ptr<Prepared>& statement);
  struct Runs {                                 // what executing a statement means now
    const sql::Statement* statement = nullptr;  // null: nothing
    bool certain = true;
    Readiness readiness = Readiness::ready;
  };
  Runs what_runs(const Prepared& prepared, std::uint64_t epoch, Message& message);
  SubjectPointer subject_of(Prepared& prepared, const Runs& runs);
  Ruling judge_again(Prepared& prepared);
  Expected& forward_describe(const std::shared_ptr<Prepared>& statement, const Frame& frame);
  Readiness find_types(std::string_view name, const std::shared_ptr<Prepared>& prepared, const Runs& runs);
  void learn_types(Prepared& statement, const ParameterDescription& description);
  bool refuse_too_much(Asked asked, const Frame& frame, std::string_view unnamed);
  std::string new_name() { return std::string(own_prefix) + std::to_string(++names_given_); }
  std::optional<std::string_view> agents_name(std::string_view upstream) const;
  void drop_unnamed(Expected& entry);

  // The search path.
  sql::SearchPath with_own_schema(sql::SearchPath path) const;
  sql::SearchPathPointer path_after_reset() const;
  void path_forwarded(Expected& entry, const Message& message);
  void path_answered(const Expected& entry);
  void path_ready();
  std::shared_ptr<const sql::Analysis> read_again(Prepared& prepared);
  Readiness read_anew(Prepared& prepared);
  Readiness read_cursor_anew(Portal& cursor);

  // Forwarding. A segment of to_server() is what one message became.
  Expected& begin(Asked asked, const Frame& frame);
  void finish(const Expected& entry, std::size_t segment_begins);
  void poison(Asked asked, const Frame& frame, std::unique_ptr<Denial> denial, std::uint64_t action,
              std::string_view unnamed = "x");
  void append_poison(std::string& out, Asked asked, std::string_view text, std::string_view unnamed);
  bool refuse(Asked asked, const Frame& frame, std::string_view code, std::string message,
              std::string_view unnamed = "x");
  void forwarded(Expected& entry, const Message& message);
  bool must_wait();
  void protocol_error(std::string_view why);
  void server_error(std::string_view why);

  // The server's messages. What becomes of one on its way to the agent.
  enum class Onward : std::uint8_t { pass, drop, replace };
  Onward answer(const Frame& frame, std::string& replacement);
  Onward on_error(const Frame& frame, std::string& replacement);
  // An error or notice of the server, as it would be if names were the agent's.
  Onward names_as_the_agents(const Frame& frame, std::string_view missing, std::string& replacement) const;
  Onward on_ready(const Frame& frame);
  Onward on_acknowledged(const Frame& frame);
  Onward on_complete(const Frame& frame);
  Onward on_row_description();
  Onward on_parameter_description(const Frame& frame);
  Onward on_copy_in(const Frame& frame);
  Onward on_parameter(const Frame& frame);
  Onward unexpected(std::string_view why);
  void forget_portals_but(const Expected& entry);
  void apply(const sql::Statement& statement, std::size_t index, const Expected& entry);
  void apply_to_savepoints(const sql::Statement& statement, Moment when);
  void accept(const Expected& entry);
  void skip(Expected& entry);
  void note_statements_behind(Expected& entry, std::string_view code);
  void pop();
  void note(Expected& entry, bool ok, std::string_view code);

  Judge& judge_;
  const Limits limits_;
  const Kind kind_;
  FrameStream agent_frames_;
  FrameStream server_frames_;
  std::size_t prepared_bytes_ = 0;  // declared before what charges it
  ExpectedQueue queue_;
  Names<Prepared> statements_;
  Names<Portal> portals_;
  std::vector<Savepoint> savepoints_;  // of the transaction, the oldest first
  std::string up_;
  struct Segment {
    std::size_t begin, end;
    std::uint64_t entry;
    bool acts;  // something was judged
  };
  std::vector<Segment> segments_;
  Message scratch_;

  std::uint64_t batch_ = 1;  // counts Syncs
  std::uint64_t epoch_ = 0;  // counts statements forwarded that run unread code
  std::uint64_t names_given_ = 0;
  std::uint64_t path_changed_by_ = 0;  // number of the last entry that may change the search path
  struct SettledPath {
    std::uint64_t number;
    sql::SearchPathPointer path;
  };
  sql::SearchPath roles_;                    // schemas of the roles that it may have taken
  std::optional<SettledPath> settled_path_;  // of this batch, unless something undoes it
  std::uint64_t last_name_change_ = 0;       // number of the last entry with SQL that changes names
  std::uint64_t last_ready_ = 0;             // number of the last entry that ends with ReadyForQuery
  std::uint64_t taint_ = 0;      // number of the last entry that may change settings; 0: confirmed since
  std::uint64_t copy_wait_ = 0;  // entry that may enter COPY IN, or is about to leave it; 0: none
  bool copying_ = false;
  bool skipping_ = false;  // the server skips, or is about to, up to the next Sync
  bool flushed_ = true;    // nothing is unanswered only for want of a Sync or Flush
  bool held_ = false;
  bool waits_ = false;
  bool has_more_ = false;
  enum class Parts : std::uint8_t {
    forward,
    drop
  } parts_ = Parts::drop;          // what follows of the message begun
  Onward passing_ = Onward::pass;  // the same, of the server's
  char transaction_ = 'I';
  Ending ending_ = Ending::none;
  std::optional<Denial> farewell_;
};

}  // namespace clawpatrol::postgres
