// What the server owes: one entry for each message forwarded, in order.
#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/gateway/postgres/judge.h"

namespace clawpatrol::postgres {

// Memory that a connection's prepared statements and portals hold, counted while they live.
class Charge {
 public:
  Charge() = default;
  Charge(const Charge&) = delete;
  Charge& operator=(const Charge&) = delete;
  ~Charge() {
    if (total_) *total_ -= bytes_;
  }
  void take(std::size_t& total, std::size_t bytes) {
    total_ = &total;
    bytes_ = bytes;
    total += bytes;
  }
  void grow(std::size_t bytes) {  // once taken
    bytes_ += bytes;
    *total_ += bytes;
  }

 private:
  std::size_t* total_ = nullptr;
  std::size_t bytes_ = 0;
};

// Whether a statement makes or drops a prepared statement or a cursor.
bool changes_names(sql::Effect effect);

// Whether it makes or ends a savepoint: the portals and cursors that were made since go with its rollback.
bool moves_savepoint(sql::Effect effect);

// When something was made, by the order in which the server runs it.
struct Moment {
  std::uint64_t message = 0;  // its number
  std::size_t statement = 0;  // of a Query, counted from 0
  auto operator<=>(const Moment&) const = default;
};

struct Savepoint {
  std::string name;
  Moment made;
};

// A statement that was parsed, at the protocol's level or by SQL's PREPARE; also what a portal runs.
struct Prepared {
  Charge charge;
  std::shared_ptr<const sql::Analysis>
      analysis;           // holds the statement; null: an empty one, which runs nothing
  std::size_t index = 0;  // which of its statements
  const sql::Statement* statement() const { return analysis ? &analysis->statements[index] : nullptr; }

  // What executing it does to the session: a statement that PREPARE made does not prepare again.
  sql::Effect effect() const { return analysis && !by_sql ? statement()->effect : sql::Effect::none; }

  std::string upstream;                // its name at the server
  bool by_sql = false;                 // made by PREPARE, under the agent's own name
  std::shared_ptr<const void> target;  // of EXECUTE and FETCH: which one it runs, as forwarded
  std::string text;                    // as forwarded, so that it can be parsed again
  std::string types;                   // of its parameters, as its Parse or else the server said
  std::uint16_t type_count = 0;
  enum class Described : std::uint8_t { no, yes, otherwise } described = Described::no;  // than it was parsed
  std::uint64_t described_by = 0;  // number of the last Describe of it
  std::uint64_t epoch = 0;         // counts the unread code that may have changed names
  std::uint64_t generation = 0;
  bool awaits_params = false;
  SubjectPointer subject;
  std::uint64_t action = 0;     // of the Parse
  bool opaque = false;          // its text was not read, and a rule allowed it
  sql::SearchPathPointer path;  // that its names were read with
};

struct Portal {
  Charge charge;
  std::shared_ptr<Prepared> statement;
  SubjectPointer subject;
  ParamsPointer params;     // null: unknown even to us
  std::string params_json;  // for audit lines; made once, however often it is executed
  std::string upstream;
  bool by_sql = false;
  bool outlives_transaction = false;  // a cursor WITH HOLD
  Moment made;
  std::uint64_t epoch = 0;
  sql::SearchPathPointer path;  // that it was opened on
};

enum class Asked : std::uint8_t {
  query,
  function_call,
  sync,  // these end with ReadyForQuery
  parse,
  bind,
  describe_statement,
  describe_portal,
  execute,
  close_statement,
  close_portal,
};

inline bool ends_with_ready(Asked asked) {
  return asked <= Asked::sync;
}

struct Expected {
  std::uint64_t number = 0;
  Asked asked = Asked::sync;
  bool hidden = false;    // a message of our own: its answer is not shown
  bool failed = false;    // its error has come; ReadyForQuery has not
  bool answered = false;  // an error was its answer, or a function's result
  bool may_copy_in = false;
  bool changes_names = false;  // SQL in it prepares, deallocates, declares or closes
  // It may change the search path; where nothing else can come of it, `becomes` is what it is then.
  bool changes_path = false;
  std::optional<sql::SearchPathPointer> becomes;
  sql::SearchPathPointer path;                    // before anything in it ran
  bool may_undo_path = false;                     // it ends a transaction, or a part of one
  bool drops_unnamed = false;                     // a Query drops the unnamed statement and portal
  std::string name;                               // the agent's, of what it defines, closes or asks for
  std::unique_ptr<Denial> denial;                 // it is poison, and this is what its error becomes
  std::shared_ptr<const sql::Analysis> analysis;  // of a Query that changes names or savepoints
  std::shared_ptr<Prepared> statement;            // of an Execute, and of a statement's Describe
  std::uint64_t epoch = 0;                        // before anything in it ran
  std::size_t at_statement = 0;                   // of a Query: how many of its statements have completed
  std::uint64_t action = 0;                       // 0: none
  std::vector<std::uint64_t> more_actions;        // of a Query's further statements
  std::uint64_t bytes_up = 0;
  std::uint64_t bytes_down = 0;  // since the last of its statements completed

  std::uint64_t action_at(std::size_t index) const {
    if (index == 0) return action;
    return index - 1 < more_actions.size() ? more_actions[index - 1] : 0;
  }
};

// A queue whose entries are found by number.
class ExpectedQueue {
 public:
  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }
  Expected& front() { return entries_.front(); }
  Expected& push(Asked asked) {
    Expected& entry = entries_.emplace_back();
    entry.number = next_++;
    entry.asked = asked;
    return entry;
  }
  void pop() { entries_.pop_front(); }
  Expected* find(std::uint64_t number) {
    if (empty() || number < front().number) return nullptr;
    const std::uint64_t index = number - front().number;
    return index < entries_.size() ? &entries_[index] : nullptr;
  }
  // The number of the front entry, or of the next one to come.
  std::uint64_t oldest() const { return entries_.empty() ? next_ : entries_.front().number; }
  std::uint64_t next() const { return next_; }

 private:
  std::deque<Expected> entries_;
  std::uint64_t next_ = 1;
};

}  // namespace clawpatrol::postgres
