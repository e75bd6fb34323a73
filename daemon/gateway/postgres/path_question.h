// What the search path of a session is to begin with. ALTER ROLE and ALTER DATABASE may have set it, and
// PostgreSQL reports it only from version 18 on: so the gateway asks, once, behind the login. Sans I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "parsers/postgres/frame.h"
#include "policy/sql/search_path.h"

namespace clawpatrol::postgres {

class PathQuestion {
 public:
  // For the server, which need not have answered before the agent is told that it is logged in.
  static std::string text();

  enum class State : std::uint8_t { going_on, answered, failed };
  // One whole message of the server. Failed: it is no answer, and the connection cannot go on.
  State take(const Frame& frame);

  // Once it is answered. Null: as by default. Not certain where the server would not say.
  sql::SearchPathPointer path(const std::string& user) const;

 private:
  State row(std::string_view body);
  enum class Asked : std::uint8_t { search_path, role, own_schema, end };  // in this order
  Asked now_ = Asked::search_path;
  std::optional<std::string> path_, role_;
  // A schema named as the role, which "$user" of a path means. It is there until the server says otherwise.
  enum class OwnSchema : std::uint8_t { exists, missing } own_schema_ = OwnSchema::exists;
};

}  // namespace clawpatrol::postgres
