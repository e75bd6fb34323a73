// What a PostgreSQL message says, statement by statement: the facets of docs/facets.md, and what a session
// must know to follow it (names prepared, cursors, COPY, transactions, settings).
//
// Built on libpg_query (the grammar of PostgreSQL 15). Analysis is a pure function of text and options.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "parsers/facets.h"
#include "policy/sql/search_path.h"

namespace clawpatrol::sql {

struct Limits {
  std::size_t bytes = 256 * 1024;  // [limits] statement
  std::size_t tokens = 32 * 1024;  // bounds nesting too: the grammar nests at most once a token
  std::size_t statements = 100;    // in one message
};

// What a statement does to the session that runs it, beyond its facets.
enum class Effect : std::uint8_t {
  none,
  prepare,  // PREPARE name AS ...: `name`; facets are those of the inner statement, verbs wrapper first
  execute,  // EXECUTE name, also under EXPLAIN ANALYZE or CREATE TABLE AS: facets are incomplete until merged
  deallocate,         // DEALLOCATE name
  deallocate_all,     // DEALLOCATE ALL
  discard_all,        // DISCARD ALL (names, cursors, settings)
  declare_cursor,     // DECLARE name CURSOR FOR ...: facets are those of the query
  fetch,              // FETCH or MOVE from name: facets are incomplete until merged
  close_cursor,       // CLOSE name
  close_all_cursors,  // CLOSE ALL
  begin,
  commit,
  rollback,
  savepoint,
  release,
  rollback_to,
  prepare_transaction,
  listen,
};

// Settings that decide how later text is read. No rule can allow a change (attacks.md, 1 and 2).
enum class ReadingGuard : std::uint8_t {
  none,     // does not touch them, or sets them to what they must be
  refused,  // would change them, or could: set_config with a computed name, a write to pg_settings
};

struct Statement {
  SqlFacets facets;
  ActionKind kind = ActionKind::exec;
  Effect effect = Effect::none;
  std::string name;        // the prepared statement, cursor, savepoint or channel of `effect`
  std::size_t offset = 0;  // of this statement in the message, bytes
  std::size_t length = 0;
  std::size_t name_offset = 0;  // where `name` stands in the message as written (quotes included), so that
  std::size_t name_length = 0;  // EXECUTE and DEALLOCATE of a renamed statement can be rewritten; 0: nowhere
  bool outlives_transaction = false;  // a cursor WITH HOLD
  bool enters_copy_in = false;        // COPY ... FROM STDIN
  bool enters_copy_out = false;
  bool runs_unread_code = false;  // lists are open: what it does to the session is not certain either
  // It may, by what its text does not show, change settings of the session: it writes a relation (triggers,
  // rules, views), reads one that is not the catalogue's (a view calls functions), ends a transaction
  // (deferred triggers run; a SET is undone), calls a function that is not a built-in one known to be safe,
  // runs unread code or another statement by name, or defines something. So does, by what its text shows,
  // whatever sets client_encoding or standard_conforming_strings, to their values of before too. Until it has
  // been answered, text whose reading depends on settings is not certain.
  bool may_change_settings = false;
  PathEffect path;  // what it does to the search path of what comes after it, by its text
  bool names_by_path =
      false;  // it has names without a schema: its lists are those of the path it was read with
  ReadingGuard reading = ReadingGuard::none;
  // The text was read only under standard_conforming_strings = on and an ASCII-safe encoding: it holds a
  // backslash or a byte above 0x7f. Where those settings are not certain, it is unevaluable.
  bool reading_depends_on_settings = false;
};

enum class Readable : std::uint8_t {
  yes,
  syntax_error,  // the grammar refuses it: `error` and `error_position` are the grammar's
  over_limit,
  unaccounted,  // parsed, but some byte belongs to no statement, or the text holds a NUL
  encoding,     // not UTF-8, or not what the server reads in the session's encoding: `error` says which
};

struct Analysis {
  Readable readable = Readable::yes;
  // One for each statement; empty for an empty query. Where `readable` is not yes: exactly one, with the
  // whole message as its text, every parsed facet unknown, kind admin.
  std::vector<Statement> statements;
  std::string error;               // why it is not readable, such as: syntax error at or near "SELEC"
  std::size_t error_position = 0;  // 1-based, in characters, as PostgreSQL's field P counts; 0: none
  std::string error_hint;          // "syntax of a newer server (JSON_TABLE, PostgreSQL 17); ...", or ""
  std::size_t memory = 0;          // bytes held, for the cache's bound
  bool more_than_text = false;     // it says what analysing the text alone does not
  bool on_own_path = false;  // it has names without a schema, and the session's path was not the default one
};

// Facets that are made only where somebody reads them: the audit line holds all others. What is not asked for
// is Unknown::not_asked.
struct Asked {
  bool columns = true;
  bool literals = true;
  bool operator==(const Asked&) const = default;
};

struct Options {
  Limits limits;
  Asked asked;
  // Endpoint's safe_functions: do not open lists. Names as written in the configuration, `schema.name` or
  // `name`.
  std::shared_ptr<const std::unordered_set<std::string>> safe_functions;
  // The session's client_encoding is not UTF8: a byte above 0x7f could mean anything, and a text that has one
  // is not readable.
  bool ascii_only = false;
  // The server's own encoding is not UTF8: it folds and cuts names with letters beyond ASCII by rules of its
  // own, and a text that has such a letter, also as an escape, is not readable.
  bool ascii_names = false;
  // Where names without a schema can be. Within a message SET is followed.
  SearchPathPointer search_path;
};

// Never crashes on any text: texts beyond 8 KiB are parsed, and deep trees walked, on a stack of 64 MiB (one
// for each thread), of which the worst nesting within the default limits uses 2. Thread-safe, no other thread
// involved. Takes 2-13 us for ordinary statements, up to 0.2 s at the limits.
//
// What a text cannot tell, and is for the database role: that `t.f` calls a function f(t) of a row, that an
// operator, an implicit cast or a built-in name resolves to a user's overload for other types, and what
// views, triggers, rules and the input functions of a column's type reach.
Analysis analyse(std::string_view text, const Options& options);

// The facets of `SET name TO value` as a statement, for startup parameters: they are judged as one. The guard
// is applied as in analyse().
Statement analyse_setting(std::string_view name, std::string_view value);

// What a statement that runs another one by name (EXECUTE, FETCH) does, once the other is known: verbs
// concatenated with the wrapper's first, lists united, verb and unbounded and copy the inner's, kind the
// higher.
Statement merge_executed(const Statement& wrapper, const Statement& executed);

// The same where the other is not certain: every parsed facet unknown, `sql.statement` as sent.
Statement with_unknown_target(const Statement& wrapper);

// The same statement where code runs with it that nobody has read: its lists are open.
Statement with_unread_code(const Statement& read);

// Whether a facet that is asked for was not made when the statement was read.
bool lacks(const SqlFacets& read, const Asked& asked);

// Analyses by exact text, bounded by bytes. Where there is no room, the least recently used goes of the peer
// that has the most. Not thread-safe: one per worker. Holds analyses, never verdicts.
class Cache {
 public:
  explicit Cache(std::size_t max_bytes);
  ~Cache();
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  // Null when absent.
  std::shared_ptr<const Analysis> find(std::string_view text, const Options& options);
  std::shared_ptr<const Analysis> insert(std::string_view text, const Options& options, Analysis analysis,
                                         std::uint32_t peer = 0);
  // find, else analyse, and insert a text that has been seen before: most texts with constants in them are
  // sent once, and would push out those that are not.
  std::shared_ptr<const Analysis> analyse(std::string_view text, const Options& options,
                                          std::uint32_t peer = 0);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace clawpatrol::sql
