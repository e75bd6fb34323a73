#include "policy/sql/analysis.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "policy/sql/catalog.h"
#include "policy/sql/deep_stack.h"
#include "policy/sql/names.h"
#include "policy/sql/newer.h"
#include "policy/sql/settings.h"
#include "policy/sql/tokens.h"
#include "policy/sql/tree.h"
#include "policy/sql/walk.h"

namespace clawpatrol::sql {
namespace {

using tree::as;
using tree::Node;
using tree::RawStmt;

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

// Between statements only white space, comments and semicolons can stand. Each gap starts after a semicolon
// or at the start, so the lexer reads it alone as it reads it there.
bool is_gap(std::string_view gap) {
  if (std::ranges::all_of(gap, [](char c) { return is_space(c) || c == ';'; })) return true;
  Scan tokens = scan(std::string(gap));
  return !tokens.failed && std::ranges::all_of(tokens.tokens, [](const Token& token) {
    return token.kind == Token::Kind::comment || token.kind == Token::Kind::semicolon;
  });
}

// The first byte that is read otherwise under other settings.
std::size_t first_doubtful_byte(std::string_view text) {
  auto doubtful = [](char c) { return c == '\\' || static_cast<unsigned char>(c) >= 0x80; };
  return static_cast<std::size_t>(std::ranges::find_if(text, doubtful) - text.begin());
}

// As the server's pg_utf8_islegal(): no overlong forms, no surrogates, nothing beyond U+10FFFF.
bool is_utf8(std::string_view text) {
  auto byte = [text](std::size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U; };
  for (std::size_t at = 0; at < text.size();) {
    unsigned first = byte(at);
    std::size_t size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (size == 0 || first > 0xf4) return false;
    unsigned lowest = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned highest = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    for (std::size_t i = 1; i < size; ++i) {
      if (byte(at + i) < lowest || byte(at + i) > highest) return false;
      lowest = 0x80, highest = 0xbf;
    }
    at += size;
  }
  return true;
}

// Whether ASCII may say a letter beyond it: U&"..." and U&'...', or an escape where E'...' is too. Also
// within strings, which may be read as texts themselves.
bool may_escape_letters(std::string_view text) {
  bool has_escapes = false, has_escape_string = false;
  for (std::size_t at = 0; at + 1 < text.size(); ++at) {
    const char next = text[at + 1];
    const bool quote = next == '\'' || next == '"';
    if (text[at] == '&' && quote && at > 0 && (text[at - 1] == 'U' || text[at - 1] == 'u')) return true;
    has_escape_string |= next == '\'' && (text[at] == 'E' || text[at] == 'e');
    has_escapes |=
        text[at] == '\\' && (next == 'u' || next == 'U' || next == 'x' || (next >= '0' && next <= '7'));
  }
  return has_escapes && has_escape_string;
}

// Why the bytes of a text are not the characters that the server reads; "" where they are.
std::string_view encoding_error(std::string_view text, const Options& options) {
  auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  const bool all_ascii = std::ranges::all_of(text, is_ascii);
  if (options.ascii_names && (!all_ascii || may_escape_letters(text)))
    return "a letter beyond ASCII while server_encoding is not UTF8: bind it as a parameter";
  if (all_ascii) return {};
  if (options.ascii_only) return "a byte above 0x7f while client_encoding is not UTF8";
  return is_utf8(text) ? std::string_view() : "not valid UTF-8";
}

std::size_t memory_of(const NameList& list) {
  std::size_t bytes = list.items.capacity() * sizeof(std::string);
  for (const std::string& item : list.items) bytes += item.capacity() > 15 ? item.capacity() : 0;
  return bytes;
}

std::size_t memory_of(const Statement& statement) {
  const SqlFacets& facets = statement.facets;
  std::size_t bytes = sizeof statement + statement.name.capacity();
  for (const std::string& schema : statement.path.path.schemas) bytes += sizeof schema + schema.capacity();
  if (facets.statement) bytes += facets.statement->capacity();
  for (const Facet<NameList>* list :
       {&facets.verbs, &facets.tables, &facets.reads, &facets.writes, &facets.columns, &facets.functions,
        &facets.classes, &facets.literals}) {
    if (*list) bytes += memory_of(**list);
  }
  return bytes;
}

void set_unknown(SqlFacets& facets, Unknown why) {
  facets.verb = why;
  for (Facet<NameList>* list : {&facets.verbs, &facets.tables, &facets.reads, &facets.writes, &facets.columns,
                                &facets.functions, &facets.classes, &facets.literals}) {
    *list = why;
  }
  facets.unbounded = why;
  facets.copy = why;
}

constexpr std::string_view between_statements = "there is text that belongs to no statement";

Analysis unreadable(std::string_view text, Readable why, std::string error) {
  Analysis analysis;
  analysis.readable = why;
  analysis.error = std::move(error);
  Statement whole;
  Unknown cause = why == Readable::over_limit ? Unknown::over_limit : Unknown::unparseable;
  set_unknown(whole.facets, cause);
  whole.facets.statement = std::string(text);
  whole.facets.statements = cause;
  whole.kind = ActionKind::admin;
  whole.length = text.size();
  whole.runs_unread_code = true;
  whole.may_change_settings = true;
  whole.reading_depends_on_settings = first_doubtful_byte(text) < text.size();
  analysis.statements.push_back(std::move(whole));
  return analysis;
}

// Where a statement stands: without the white space around it. False: some byte is unaccounted for.
bool place(Statement& statement, const RawStmt& raw, std::string_view text, std::size_t& end_of_last) {
  if (raw.stmt_location < 0 || raw.stmt_len < 0) return false;
  auto start = static_cast<std::size_t>(raw.stmt_location);
  auto length = static_cast<std::size_t>(raw.stmt_len);
  if (start < end_of_last || start > text.size() || length > text.size() - start) return false;
  if (length == 0) length = text.size() - start;
  if (!is_gap(text.substr(end_of_last, start - end_of_last))) return false;
  end_of_last = start + length;
  while (length > 0 && is_space(text[start])) ++start, --length;
  while (length > 0 && is_space(text[start + length - 1])) --length;
  statement.offset = start;
  statement.length = length;
  return true;
}

bool ends_transaction(Effect effect) {
  return effect == Effect::commit || effect == Effect::rollback || effect == Effect::rollback_to ||
         effect == Effect::prepare_transaction;
}

Analysis read_statements(const std::string& text, const Options& options, const tree::List* statements) {
  if (static_cast<std::size_t>(tree::length(statements)) > options.limits.statements)
    return unreadable(text, Readable::over_limit,
                      fmt::format("more than {} statements in one message", options.limits.statements));
  Analysis analysis;
  std::size_t end_of_last = 0;
  std::size_t doubtful = first_doubtful_byte(text);
  PathInMessage path(options.search_path);
  Options in_path = options;
  for (const Node* item : tree::cells(statements)) {
    const auto* raw = as<RawStmt>(item);
    if (raw == nullptr || raw->stmt == nullptr)
      return unreadable(text, Readable::unaccounted, std::string(between_statements));
    in_path.search_path = path.now();
    Statement statement = Walk(in_path).run(raw->stmt);
    path.after(statement.path);
    if (ends_transaction(statement.effect)) path.after_transaction();
    if (!place(statement, *raw, text, end_of_last))
      return unreadable(text, Readable::unaccounted, std::string(between_statements));
    std::string_view written = std::string_view(text).substr(statement.offset, statement.length);
    statement.facets.statement = std::string(written);
    statement.facets.statements = tree::length(statements);
    // What comes after a doubtful byte could be read as part of another statement.
    statement.reading_depends_on_settings = doubtful < end_of_last;
    if (!statement.name.empty()) find_name(statement, written);
    analysis.on_own_path |= statement.names_by_path && options.search_path != nullptr;
    analysis.statements.push_back(std::move(statement));
  }
  if (!is_gap(std::string_view(text).substr(end_of_last)))
    return unreadable(text, Readable::unaccounted, std::string(between_statements));
  return analysis;
}

struct Job {
  std::string_view text;
  const Options& options;
  Analysis analysis;
};

void analyse_here(Job& job) {
  std::string text(job.text);  // the grammar wants its NUL
  if (!operator_runs_within_limit(text)) {
    job.analysis = unreadable(text, Readable::over_limit, "a run of operator characters that takes too long");
    return;
  }
  TokenCount tokens = count_tokens(text, job.options.limits.tokens);
  const std::string too_many = fmt::format("more than {} tokens", job.options.limits.tokens);
  if (tokens == TokenCount::over) {
    job.analysis = unreadable(text, Readable::over_limit, too_many);
    return;
  }
  tree::Memory memory;
  tree::Outcome outcome = tree::parse(text.c_str());
  if (outcome.failed) {
    job.analysis = unreadable(text, Readable::syntax_error, std::move(outcome.error));
    job.analysis.error_position = outcome.error_position;
    job.analysis.error_hint = newer_syntax(text, job.analysis.error, outcome.error_position);
    return;
  }
  // What the lexer alone refuses the grammar refuses too, with a better message; if it did not, nothing
  // counted its tokens.
  job.analysis = tokens == TokenCount::within ? read_statements(text, job.options, outcome.statements)
                                              : unreadable(text, Readable::over_limit, too_many);
}

}  // namespace

Analysis analyse(std::string_view text, const Options& options) {
  Job job{text, options, {}};
  if (text.find('\0') != std::string_view::npos) {
    job.analysis = unreadable(text, Readable::unaccounted, "it holds a NUL");
  } else if (text.size() > options.limits.bytes) {
    job.analysis =
        unreadable(text, Readable::over_limit, fmt::format("longer than {} bytes", options.limits.bytes));
  } else if (std::string_view error = encoding_error(text, options); !error.empty()) {
    job.analysis = unreadable(text, Readable::encoding, std::string(error));
  } else if (text.size() <= shallow_text_bytes) {
    analyse_here(job);
  } else {
    on_deep_stack([](void* argument) { analyse_here(*static_cast<Job*>(argument)); }, &job);
  }
  job.analysis.memory = sizeof(Analysis) + job.analysis.error.capacity() + job.analysis.error_hint.capacity();
  for (const Statement& statement : job.analysis.statements) job.analysis.memory += memory_of(statement);
  return std::move(job.analysis);
}

Statement analyse_setting(std::string_view name, std::string_view value) {
  Statement statement;
  SqlFacets& facets = statement.facets;
  std::string quoted;
  for (char c : value) quoted.append(c == '\'' ? 2 : 1, c);
  facets.statement = "SET " + std::string(name) + " TO '" + quoted + "'";
  facets.verb = std::string("set");
  facets.verbs = NameList{{"set"}, false};
  Classes classes = static_cast<Classes>(class_settings | setting_classes(name));
  facets.classes = NameList{names_of_classes(classes), false};
  facets.literals = NameList{{std::string(value)}, false};
  for (Facet<NameList>* list :
       {&facets.tables, &facets.reads, &facets.writes, &facets.columns, &facets.functions}) {
    *list = NameList{};
  }
  facets.unbounded = false;
  facets.copy = CopyFacet{};
  facets.statements = 1;
  statement.kind =
      std::max(setting_matters(name) ? ActionKind::admin : ActionKind::session, kind_of_classes(classes));
  statement.length = facets.statement->size();
  statement.reading = guard_setting(name, value);
  statement.may_change_settings = decides_reading(name);
  statement.path = path_effect(name, value);
  statement.reading_depends_on_settings = first_doubtful_byte(value) < value.size();
  return statement;
}

namespace {

void unite(Facet<NameList>& into, const Facet<NameList>& from) {
  if (!into) return;
  if (!from) {
    into = from;
    return;
  }
  NameSet all;
  for (const std::string& item : into->items) all.add(item);
  for (const std::string& item : from->items) all.add(item);
  into = NameList{all.take(), into->open || from->open};
}

}  // namespace

Statement merge_executed(const Statement& wrapper, const Statement& executed) {
  Statement merged = wrapper;
  SqlFacets& facets = merged.facets;
  const SqlFacets& inner = executed.facets;
  unite(facets.verbs, inner.verbs);
  unite(facets.tables, inner.tables);
  unite(facets.reads, inner.reads);
  unite(facets.writes, inner.writes);
  unite(facets.columns, inner.columns);
  unite(facets.functions, inner.functions);
  unite(facets.classes, inner.classes);
  unite(facets.literals, inner.literals);
  // EXPLAIN does not run it, and CREATE TABLE AS does more than run it.
  bool own_verb = facets.verb && (*facets.verb == "explain" || *facets.verb == "create");
  if (!own_verb || !inner.verb) facets.verb = inner.verb;
  facets.unbounded = inner.unbounded;
  facets.copy = inner.copy;
  bool only_planned = facets.verb && *facets.verb == "explain";
  merged.kind = only_planned && executed.kind != ActionKind::exec ? wrapper.kind
                                                                  : std::max(wrapper.kind, executed.kind);
  merged.runs_unread_code = wrapper.runs_unread_code || executed.runs_unread_code;
  merged.may_change_settings = wrapper.may_change_settings || executed.may_change_settings;
  merged.path = united(wrapper.path, executed.path);
  merged.names_by_path = wrapper.names_by_path || executed.names_by_path;
  merged.reading = std::max(wrapper.reading, executed.reading);
  merged.reading_depends_on_settings =
      wrapper.reading_depends_on_settings || executed.reading_depends_on_settings;
  merged.enters_copy_in = wrapper.enters_copy_in || executed.enters_copy_in;
  merged.enters_copy_out = wrapper.enters_copy_out || executed.enters_copy_out;
  return merged;
}

Statement with_unknown_target(const Statement& wrapper) {
  Statement unknown = wrapper;
  set_unknown(unknown.facets, Unknown::unparseable);
  unknown.kind = std::max(wrapper.kind, ActionKind::admin);
  unknown.runs_unread_code = true;
  unknown.may_change_settings = true;
  return unknown;
}

Statement with_unread_code(const Statement& read) {
  Statement opened = read;
  SqlFacets& facets = opened.facets;
  for (Facet<NameList>* list : {&facets.verbs, &facets.tables, &facets.reads, &facets.writes, &facets.columns,
                                &facets.functions, &facets.classes, &facets.literals}) {
    if (*list) (*list)->open = true;
  }
  if (facets.classes) {
    for (const std::string& name : names_of_classes(class_unknown_code))
      if (std::ranges::find(facets.classes->items, name) == facets.classes->items.end())
        facets.classes->items.push_back(name);
  }
  opened.kind = std::max(read.kind, kind_of_classes(class_unknown_code));
  opened.runs_unread_code = true;
  opened.may_change_settings = true;
  return opened;
}

bool lacks(const SqlFacets& read, const Asked& asked) {
  auto missing = [](const Facet<NameList>& list) { return !list && list.why() == Unknown::not_asked; };
  return (asked.columns && missing(read.columns)) || (asked.literals && missing(read.literals));
}

}  // namespace clawpatrol::sql
