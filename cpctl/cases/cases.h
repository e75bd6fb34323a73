// Cases of a policy: an action as facets or as what is sent, and what must become of it. The format is in
// docs/formats.md, "Policy cases".
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "parsers/facets.h"
#include "policy/action_json.h"
#include "policy/config/source.h"

namespace clawpatrol::cpctl {

inline constexpr std::size_t most_case_bytes = 64 << 20;  // of one file of JSON lines

enum class Expected : std::uint8_t { allow, deny, undecided };
std::string_view name_of(Expected verdict);

// A request in parts: they are written as HTTP/1.1 with a length that is right.
struct RequestParts {
  std::string method = "GET";
  std::string target;
  std::vector<std::pair<std::string, std::string>>
      headers;  // `Host` is the one dialled, where none stands here
  std::string body;
};
struct RequestForm {
  std::optional<std::string> wire;  // bytes as sent
  RequestParts parts;               // else
};

struct Case {
  std::string name;
  Place place;          // where it begins
  config::Location at;  // the same; lives as long as the CaseFile

  // Who and where. Empty: not stated.
  std::string peer, address, endpoint, credential, user, database;
  std::optional<DestFacets> dest;
  std::optional<std::int64_t> time_unix_ns;
  std::vector<std::pair<std::string, std::string>> startup;  // further parameters of a login

  // What. `sql` is played by the daemon's own session, after the statements of `before`; `facets` (JSON, by
  // their public names) is decided as it stands; else the action is its type alone.
  ActionType type = ActionType::statement;
  std::optional<std::string> sql;
  std::optional<RequestForm> request;
  std::optional<std::string> facets;
  std::shared_ptr<const StatedAction> stated;  // the same, read; shared since cases are copied
  std::vector<std::string> before;
  enum class Params : std::uint8_t { none, pending, given } params = Params::none;
  std::vector<std::optional<std::string>> values;  // of params

  // Of an action that was recorded: facets that its line does not hold. A rule that asks for one cannot be
  // tried.
  std::vector<FacetId> unheld;
  // One statement of a message with more: `stated` is what its text says, with the options of then.
  std::optional<std::string> statement_of_message;

  // What must become of it.
  Expected verdict = Expected::deny;
  std::optional<std::string> rule;  // "": no rule decides
  std::optional<std::string> reason;
};

// One file that was read. The cases point into its source.
struct CaseFile {
  std::unique_ptr<config::Source> source;
  std::vector<Case> cases;
};

// Reads a file of TOML ([[case]] tables, with [defaults] for what a case does not state) or, by its name
// (.jsonl, .ndjson, .json), of JSON lines. Every problem is reported; what it returns is of use only where
// there are none.
CaseFile read_cases(const std::filesystem::path& path, config::Report& report);
CaseFile read_cases_text(std::string name, std::string text, config::Report& report);

}  // namespace clawpatrol::cpctl
