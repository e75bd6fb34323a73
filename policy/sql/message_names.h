// What EXECUTE and FETCH run where the same message has prepared or declared it before them. A message whose
// PREPARE or DECLARE fails goes no further, so what follows it runs what it says.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "policy/sql/analysis.h"

namespace clawpatrol::sql {

class MessageNames {
 public:
  enum class Where : std::uint8_t {
    elsewhere,  // nothing in this message has touched the name: the session knows it, or nobody does
    here,
    uncertain,
  };
  struct Target {
    Where where = Where::elsewhere;
    const Statement* statement = nullptr;  // only here
  };
  // The name of a statement that runs, fetches or prepares by it.
  Target find(const Statement& names) const;

  // After a statement, which stays where it is as long as this does. `whole` is it with what it runs by name;
  // `unread`: there, or before, is code that nobody has read.
  enum class Code : std::uint8_t { read, unread };
  void after(const Statement& statement, const Statement& whole, Code code);
  // Whether something may have changed the search path of which the text of the message does not tell: a name
  // without a schema can then be anywhere, whatever path analyse() read it on.
  bool path_is_untold() const { return path_untold_; }
  void clear();

 private:
  enum class Space : std::uint8_t { statements, cursors };  // names of one are not names of the other
  struct Name {
    Space space;
    std::string name;
    const Statement* statement;  // null: nobody knows
  };
  void set(Space space, const std::string& name, const Statement* statement);
  void forget(Space space);
  void forget_reading();

  std::vector<Name> names_;  // the last of a name counts
  bool statements_uncertain_ = false;
  bool cursors_uncertain_ = false;
  bool path_untold_ = false;
};

}  // namespace clawpatrol::sql
