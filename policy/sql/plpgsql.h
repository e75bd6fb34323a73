// The SQL in a PL/pgSQL body, found by its tokens and keywords as the server's pl_gram.y reads them.
//
// libpg_query has a parser of PL/pgSQL of its own. It is not used: without a catalogue it refuses cursors and
// composite variables (one in eight bodies of PostgreSQL's own suite), and it leaks memory with every call,
// which an agent may make as often as it likes. What is found here only ever adds to what is known of a
// statement: whoever runs a body has open lists, so nothing rests on finding everything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace clawpatrol::sql {

struct BodyPart {
  enum class Kind : std::uint8_t {
    statement,   // SQL, without the INTO of PL/pgSQL
    expression,  // what can stand behind SELECT
    executed,    // an expression whose value is SQL that is run
    row_type,    // name%ROWTYPE: a relation
    value_type,  // name.column%TYPE: a column of a relation, or a variable
  };
  Kind kind;
  std::string text;
};

// Calls `found` for each part, in the order of the text. False: it is too long to be looked at, or no text
// that the lexer takes, and nothing was called. Of a body that is not well-formed some parts are found.
bool read_plpgsql(std::string_view body, std::size_t most_tokens,
                  const std::function<void(const BodyPart&)>& found);

}  // namespace clawpatrol::sql
