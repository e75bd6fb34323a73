// What cpctl can do, one function a command. Each prints its answer to the console and returns the exit
// status.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cpctl/console.h"
#include "cpctl/hooks.h"

namespace clawpatrol::cpctl {

enum ExitStatus : int {
  exit_ok = 0,
  exit_no = 1,  // it was refused, is not so, or failed
  exit_usage = 2,
  exit_unreachable = 3,  // no daemon answers
};

struct Paths {
  std::filesystem::path config = "/etc/clawpatrol";
  std::filesystem::path state = "/var/lib/clawpatrol";
  std::filesystem::path run = "/run/clawpatrol";
};

struct Context {
  Console& console;
  Paths paths;
};

enum class Follow : std::uint8_t { no, yes };

int status(Context context, Follow watch);
int top(Context context);
int doctor(Context context);
int metrics(Context context);

int flows(Context context, Follow follow);
int flow_show(Context context, std::uint64_t id);
int flow_kill(Context context, std::uint64_t id);

int explain_action(Context context, const std::string& action);

struct CheckRequest {
  std::filesystem::path path;  // "": the configuration
  std::string format;          // human, json, github or sarif; "": as --output says
};
int check(Context context, const CheckRequest& request);
int explain_code(Context context, const std::string& code);  // "": all of them
int reload(Context context);
int enforce(Context context);
int generations(Context context);
int rollback(Context context, std::uint64_t generation);  // 0: to the one before

enum class RulesView : std::uint8_t { hits, unused, shadow };
int rules(Context context, RulesView view);
struct SuggestRequest {
  std::string since;          // a duration; "": all that is kept
  std::filesystem::path log;  // "": that of --state
};
int rules_suggest(Context context, const SuggestRequest& request);

struct EvalRequest {
  std::string expression;
  std::filesystem::path facets;  // "": none is stated
};
int eval(Context context, const EvalRequest& request);
int facets(Context context);

enum class InputForm : std::uint8_t { whole, json_lines };
struct SqlView {
  InputForm input = InputForm::whole;
  std::vector<std::string> safe_functions;
  std::string limit;     // a size; "": the endpoint's, or the default
  std::string endpoint;  // of the configuration, whose limits and safe_functions are taken; "": none
};
int facets_postgres(Context context, const SqlView& view);

struct TestRequest {
  std::filesystem::path policy;
  std::vector<std::filesystem::path> cases;
  bool coverage = false;
  unsigned fail_under = 0;      // percent of coverage
  std::filesystem::path junit;  // "": none
};
int test_policy(Context context, const TestRequest& request);

enum class RequestProtocol : std::uint8_t { http, kubernetes };
enum class PathView : std::uint8_t { strict, lenient };
struct RequestView {
  RequestProtocol protocol = RequestProtocol::http;
  InputForm input = InputForm::whole;
  PathView paths = PathView::strict;
  std::string limit;  // a size, as `limits.body_inspect`; "": the default
};
int facets_request(Context context, const RequestView& view);
struct DiffRequest {
  std::filesystem::path before, after;
  std::vector<std::filesystem::path> replay;  // logs: directories or segments; none: compare the files only
  bool accept_wider = false;
};
int diff_policies(Context context, const DiffRequest& request);

struct NewPeerRequest {
  std::string name;
  std::string public_key;          // "": netd makes the pair
  std::string profile;             // "": that of its table
  std::string ttl;                 // a duration; "": it stays
  std::string endpoint;            // "": that of the configuration
  std::filesystem::path write_to;  // "": standard output
  Hooks hooks = Hooks::linux_tools;
  bool qr = false;
};
int peers_add(Context context, const NewPeerRequest& request);
int peers_rotate(Context context, const NewPeerRequest& request);

enum class Held : std::uint8_t { yes, no };
int peers_hold(Context context, const std::optional<std::string>& name, Held held);  // without: all of them
int peers_list(Context context);
int peers_remove(Context context, const std::string& name);

int ca_show(Context context);
int ca_export(Context context);

int creds_set(Context context, const std::string& name);
int creds_list(Context context);
int creds_remove(Context context, const std::string& name);

int audit_tail(Context context, std::uint64_t lines, Follow follow);
int audit_head(Context context);
struct VerifyRequest {
  std::filesystem::path directory;  // "": that of --state
  std::filesystem::path key;        // "": that of --state
  std::string head;                 // SEQ:BOOT:MAC, as `audit head` prints it; "": none
};
int audit_verify(Context context, const VerifyRequest& request);
struct ExportRequest {
  std::string action;
  std::filesystem::path log;  // "": that of --state
  bool as_case = false;       // else the lines as they stand
};
int audit_export(Context context, const ExportRequest& request);

}  // namespace clawpatrol::cpctl
