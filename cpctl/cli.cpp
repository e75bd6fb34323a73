#include "cpctl/cli.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <functional>

#include "cpctl/commands.h"
#include "cpctl/completions.h"
#include "cpctl/printable.h"
#include "cpctl/usage.h"
#include "cpctl/values.h"

namespace clawpatrol::cpctl {
namespace {

// Everything that any command may be given, and the one that was chosen.
struct Invocation {
  Paths paths;
  std::string output = "text";
  bool watch = false, follow = false, markdown = false, all = false, no_hooks = false;
  std::string system = "linux";
  std::uint64_t id = 0, lines = 20, generation = 0;
  std::string name, action, head;
  std::filesystem::path path, key;
  NewPeerRequest peer;
  EvalRequest eval;
  TestRequest test;
  DiffRequest diff;
  ExportRequest exported;
  SuggestRequest suggest;
  CheckRequest check;
  SqlView sql;
  RequestView request;
  bool json_lines = false, lenient_paths = false;
  std::function<int(Context)> chosen;
};

Follow follow_if(bool wanted) {
  return wanted ? Follow::yes : Follow::no;
}

CLI::App* add(CLI::App& parent, Invocation& in, const char* name, const char* what,
              std::function<int(Context)> act) {
  CLI::App* command = parent.add_subcommand(name, what);
  command->callback([&in, act = std::move(act)] { in.chosen = act; });
  return command;
}

CLI::App* add_group(CLI::App& app, const char* name, const char* what) {
  CLI::App* group = app.add_subcommand(name, what);
  group->require_subcommand(1);
  return group;
}

void add_flows(CLI::App& app, Invocation& in) {
  add(app, in, "status", "the gateway's health, then every live flow", [&in](Context c) {
    return status(c, follow_if(in.watch));
  })->add_flag("-w,--watch", in.watch, "redraw in place every second; q leaves");
  add(app, in, "top", "the same, redrawn every second, the busiest flows first; q leaves",
      [](Context c) { return top(c); });
  add(app, in, "doctor", "what is wrong with the gateway and its machine, and what mends it",
      [](Context c) { return doctor(c); });
  add(app, in, "metrics", "counters, gauges and histograms, as Prometheus reads them",
      [](Context c) { return metrics(c); });
  CLI::App* group = app.add_subcommand("flows", "the live flows; with -f, actions as they are decided");
  group->add_flag("-f,--follow", in.follow, "print each action as it is decided");
  group->callback([&in, group] {
    if (group->get_subcommands().empty())
      in.chosen = [&in](Context c) { return flows(c, follow_if(in.follow)); };
  });
  add(*group, in, "show", "all that is known of one flow", [&in](Context c) { return flow_show(c, in.id); })
      ->add_option("ID", in.id, "its number, from `cpctl flows`")
      ->check(whole_number())
      ->required();
  add(*group, in, "kill", "close a flow, with the protocol's own error",
      [&in](Context c) { return flow_kill(c, in.id); })
      ->add_option("ID", in.id, "its number, from `cpctl flows`")
      ->check(whole_number())
      ->required();
  add(app, in, "explain", "which rule decided an action, why, which rules were tried, and the facets",
      [&in](Context c) { return explain_action(c, in.action); })
      ->add_option("ACTION", in.action,
                   "its id (a-...), from the error that the agent got, `cpctl flows -f` or the audit log")
      ->required();
}

void add_policy(CLI::App& app, Invocation& in) {
  CLI::App* checking =
      add(app, in, "check", "read the configuration and report every problem; needs no daemon",
          [&in](Context c) { return check(c, in.check); });
  checking->add_option("PATH", in.check.path,
                       "a file, or a directory with clawpatrol.toml (default: that of --config)");
  checking
      ->add_option("--format", in.check.format,
                   "`human`; `json`, as -o json; `github`: workflow commands; `sarif`: SARIF 2.1.0")
      ->check(one_of({"human", "json", "github", "sarif"}))
      ->option_text("FORMAT");
  add(app, in, "explain-code", "what a problem of `check` means; without CODE, all of them; needs no daemon",
      [&in](Context c) { return explain_code(c, in.name); })
      ->add_option("CODE", in.name, "such as CP0203");
  CLI::App* evaluating = add(app, in, "eval", "the value and type of an expression; needs no daemon",
                             [&in](Context c) { return eval(c, in.eval); });
  evaluating->add_option("EXPR", in.eval.expression, "of the language of conditions")->required();
  evaluating->add_option("--facets", in.eval.facets,
                         "a JSON file with the facets of an action (/usr/share/doc/clawpatrol/formats.md)");
  add(app, in, "reload", "check the configuration and put it in force", [](Context c) { return reload(c); });
  add(app, in, "enforce", "have rules deny that were only observed: changes `mode` in its file, and reloads",
      [](Context c) { return enforce(c); });
}

void add_request_facets(CLI::App& group, Invocation& in, RequestProtocol protocol, const char* name,
                        const char* what, const char* lines) {
  CLI::App* command = add(group, in, name, what, [&in, protocol](Context c) {
    in.request.protocol = protocol;
    in.request.input = in.json_lines ? InputForm::json_lines : InputForm::whole;
    in.request.paths = in.lenient_paths ? PathView::lenient : PathView::strict;
    return facets_request(c, in.request);
  });
  command->add_flag("--jsonl", in.json_lines, lines);
  command->add_flag("--lenient-paths", in.lenient_paths,
                    "as an endpoint with lenient_paths = true: a path with two readings is judged");
  command->add_option("--limit", in.request.limit, "the longest body, as `limits.body_inspect` has it: 1MiB");
}

void add_facets(CLI::App& app, Invocation& in) {
  CLI::App* group = app.add_subcommand("facets", "what a rule's condition may ask; needs no daemon");
  group->callback([&in, group] {
    if (group->get_subcommands().empty()) in.chosen = [](Context c) { return facets(c); };
  });
  CLI::App* postgres =
      add(*group, in, "postgres",
          "what the gateway sees in SQL: standard input is one message; needs no daemon", [&in](Context c) {
            in.sql.input = in.json_lines ? InputForm::json_lines : InputForm::whole;
            return facets_postgres(c, in.sql);
          });
  postgres->add_flag("--jsonl", in.json_lines,
                     "each line of the input is {\"sql\": TEXT}, one message, and is answered by one line");
  postgres
      ->add_option("--safe-function", in.sql.safe_functions, "one more name of safe_functions; repeatable")
      ->allow_extra_args(false);
  postgres->add_option("--limit", in.sql.limit,
                       "the longest statement, as `limits.statement` has it: 256KiB");
  postgres->add_option("--endpoint", in.sql.endpoint,
                       "take limits and safe_functions of this endpoint in the configuration of --config");
  add_request_facets(
      *group, in, RequestProtocol::http, "http",
      "what the gateway sees in HTTP/1.1 requests on standard input; needs no daemon",
      "each line of the input is {\"wire\": TEXT} or {\"wire_base64\": TEXT}, a connection's bytes, and "
      "is answered by one line");
  add_request_facets(
      *group, in, RequestProtocol::kubernetes, "kubernetes",
      "the same of requests to a Kubernetes API server; needs no daemon",
      "each line of the input is {\"method\": TEXT, \"target\": TEXT, \"headers\": {NAME: TEXT}, "
      "\"body\": TEXT}, or {\"wire\": TEXT}, and is answered by one line");
}

void add_generations(CLI::App& app, Invocation& in) {
  add(app, in, "generations", "the policies that were in force since the daemon started",
      [](Context c) { return generations(c); });
  add(app, in, "rollback", "put an earlier policy in force again; the files stay as they are",
      [&in](Context c) { return rollback(c, in.generation); })
      ->add_option("GENERATION", in.generation,
                   "its number, from `cpctl generations` (default: the one before)")
      ->check(whole_number());
  CLI::App* group = add_group(app, "rules", "what the rules of the policy in force have decided");
  add(*group, in, "hits", "how often each rule decided, and when last",
      [](Context c) { return rules(c, RulesView::hits); });
  add(*group, in, "unused", "the rules that have never matched",
      [](Context c) { return rules(c, RulesView::unused); });
  add(*group, in, "shadow", "what the rules with shadow = true would have changed",
      [](Context c) { return rules(c, RulesView::shadow); });
  CLI::App* suggesting =
      add(*group, in, "suggest",
          "rules for what was done that no rule was for, as narrow as the audit log allows; needs no daemon",
          [&in](Context c) { return rules_suggest(c, in.suggest); });
  suggesting->add_option("--since", in.suggest.since,
                         "a duration: only what was done since then, such as 30m");
  suggesting->add_option("--log", in.suggest.log,
                         "the log's directory, or one segment (default: audit in that of --state)");
}

void add_tests(CLI::App& app, Invocation& in) {
  CLI::App* test =
      add(app, in, "test", "try cases on a policy, through the daemon's own code; needs no daemon",
          [&in](Context c) { return test_policy(c, in.test); });
  test->add_option("POLICY", in.test.policy, "a file, or a directory with clawpatrol.toml")->required();
  test->add_option("CASES", in.test.cases, "files of cases: TOML, or JSON lines (.jsonl)")->required();
  test->add_flag("--coverage", in.test.coverage, "say which rules and operands no case reaches");
  test->add_option("--fail-under", in.test.fail_under, "exit 1 where --coverage is below this many percent")
      ->check(whole_number(100))
      ->needs("--coverage");
  test->add_option("--junit", in.test.junit, "write a report in JUnit's XML to this file");
  CLI::App* diff = add(app, in, "diff", "what a change of policy changes; needs no daemon",
                       [&in](Context c) { return diff_policies(c, in.diff); });
  diff->add_option("OLD", in.diff.before, "a file, or a directory with clawpatrol.toml")->required();
  diff->add_option("NEW", in.diff.after, "the same, changed")->required();
  diff->add_option(
      "--replay", in.diff.replay,
      "audit logs (directories, or segments): which of their actions would be decided otherwise; "
      "exit 1 if one that was denied would be allowed");
  diff->add_flag("--accept-wider", in.diff.accept_wider, "exit 0 all the same");
}

// What is on the agent's machine, and where the configuration for it goes.
void add_client_options(CLI::App& command, Invocation& in) {
  command.add_option("--public-key", in.peer.public_key,
                     "the peer's own key, so that its private key never is on the gateway");
  command.add_option("--endpoint", in.peer.endpoint,
                     "host:port that it dials, where that is not what [gateway] says");
  command
      .add_option(
          "--for", in.system,
          "`linux` (Debian, RHEL, Alpine and SUSE are told apart when the tunnel comes up) or `macos`")
      ->check(one_of({"linux", "macos"}))
      ->option_text("SYSTEM");
  command.add_flag("--no-hooks", in.no_hooks,
                   "the tunnel alone: no line that trusts the gateway's authority or sets the environment");
  command.add_option("-O,--write", in.peer.write_to,
                     "write the configuration to a new file (0600) and not to standard output");
  command.add_flag("--qr", in.peer.qr, "show it as a QR code, for a phone; without hooks");
}

void add_peers(CLI::App& app, Invocation& in) {
  CLI::App* group = add_group(app, "peers", "agents that may connect");
  CLI::App* adding = add(*group, in, "add", "make a peer and print its wg-quick configuration",
                         [&in](Context c) { return peers_add(c, in.peer); });
  adding->add_option("NAME", in.peer.name, "the peer's name, as in [peer.NAME]")->required();
  adding->add_option("--profile", in.peer.profile, "its profile, where the configuration has no [peer.NAME]");
  adding->add_option("--ttl", in.peer.ttl, "a duration, such as 8h: then it is removed");
  add_client_options(*adding, in);
  CLI::App* rotating =
      add(*group, in, "rotate", "give a peer another key; what came in with the old one is closed",
          [&in](Context c) { return peers_rotate(c, in.peer); });
  rotating->add_option("NAME", in.peer.name, "the peer's name")->required();
  add_client_options(*rotating, in);
  add(*group, in, "list", "the peers, and when they were last heard",
      [](Context c) { return peers_list(c); });
  add(*group, in, "pause", "let nothing of a peer in, and close what it has; it stays known",
      [&in](Context c) { return peers_hold(c, in.name, Held::yes); })
      ->add_option("NAME", in.name, "the peer's name")
      ->required();
  add(*group, in, "resume", "let a paused peer in again",
      [&in](Context c) { return peers_hold(c, in.name, Held::no); })
      ->add_option("NAME", in.name, "the peer's name")
      ->required();
  add(*group, in, "rm", "remove a peer; its connections close",
      [&in](Context c) { return peers_remove(c, in.name); })
      ->add_option("NAME", in.name, "the peer's name")
      ->required();
}

void add_lockdown(CLI::App& app, Invocation& in) {
  auto add_one = [&](const char* name, const char* what, Held held) {
    CLI::App* command = add(app, in, name, what, [&in, held](Context c) {
      if (in.all) return peers_hold(c, std::nullopt, held);
      if (!in.name.empty()) return peers_hold(c, in.name, held);
      c.console.complain("of whom: --peer NAME, or --all");
      return int{exit_usage};
    });
    CLI::Option* peer =
        command->add_option("--peer", in.name, "of this peer alone, as `peers pause` and `resume`");
    command->add_flag("--all", in.all, "of all peers, those that are added later too")->excludes(peer);
  };
  add_one("lockdown", "cut what is in flight, and let nothing new in, at once", Held::yes);
  add_one("unlock", "end a lockdown", Held::no);
}

void add_completions(CLI::App& app, Invocation& in) {
  add(app, in, "completions", "the completion script for a shell; needs no daemon",
      [&in](Context c) {
        c.console.out(completion_script(in.name).value_or(""));
        return int{exit_ok};
      })
      ->add_option("SHELL", in.name, "`bash`, `zsh` or `fish`")
      ->check(one_of({"bash", "zsh", "fish"}))
      ->option_text("SHELL")
      ->required();
}

void add_credentials(CLI::App& app, Invocation& in) {
  CLI::App* group = add_group(app, "creds", "credentials that the gateway uses and agents never see");
  add(*group, in, "set",
      "read a value from standard input (without echo on a terminal) and keep it, encrypted",
      [&in](Context c) { return creds_set(c, in.name); })
      ->add_option("NAME", in.name, "the credential's name, as in [credential.NAME]")
      ->required();
  add(*group, in, "list", "the credentials, and which have no value yet; never values",
      [](Context c) { return creds_list(c); });
  add(*group, in, "rm", "remove a value; connections that use it close",
      [&in](Context c) { return creds_remove(c, in.name); })
      ->add_option("NAME", in.name, "the credential's name")
      ->required();
}

void add_ca(CLI::App& app, Invocation& in) {
  CLI::App* group = add_group(app, "ca", "the gateway's certificate authority, which its agents trust");
  add(*group, in, "show", "who it is, its fingerprint, and until when it is good",
      [](Context c) { return ca_show(c); });
  add(*group, in, "export", "print its certificate in PEM; an agent finds the same at http://GATEWAY/ca.crt",
      [](Context c) { return ca_export(c); });
}

void add_audit(CLI::App& app, Invocation& in) {
  CLI::App* group = add_group(app, "audit", "the record of every action");
  CLI::App* tail = add(*group, in, "tail", "the last lines",
                       [&in](Context c) { return audit_tail(c, in.lines, follow_if(in.follow)); });
  tail->add_option("-n,--lines", in.lines, "how many")->capture_default_str()->check(whole_number(100'000));
  tail->add_flag("-f,--follow", in.follow, "go on with new lines as they are written");
  add(*group, in, "head", "the newest line's number, boot and MAC: keep it elsewhere, for verify --head",
      [](Context c) { return audit_head(c); });
  CLI::App* exported = add(*group, in, "export", "the lines of one action; needs no daemon",
                           [&in](Context c) { return audit_export(c, in.exported); });
  exported->add_option("ACTION", in.exported.action, "its id (a-...)")->required();
  exported->add_flag("--as-case", in.exported.as_case, "as a case for `cpctl test`, with what was decided");
  exported->add_option("--log", in.exported.log,
                       "the log's directory, or one segment (default: audit in that of --state)");
  CLI::App* verify =
      add(*group, in, "verify", "prove that no line was changed, removed or reordered; needs no daemon",
          [&in](Context c) { return audit_verify(c, {in.path, in.key, in.head}); });
  verify->add_option("PATH", in.path, "the log's directory (default: audit in that of --state)");
  verify->add_option("--head", in.head, "SEQ:BOOT:MAC of a head kept elsewhere: shows a cut tail");
  verify->add_option("--key", in.key, "the log's key file (default: audit.key in the directory of --state)");
}

void build(CLI::App& app, Invocation& in) {
  app.description("Watch and steer the claw patrol gateway.");
  app.set_version_flag("--version", "cpctl " CLAWPATROL_VERSION);
  app.set_help_flag("-h,--help", "what can be asked for");
  app.fallthrough();
  app.require_subcommand(0, 1);
  app.add_option("--config", in.paths.config, "the configuration")->capture_default_str();
  app.add_option("--state", in.paths.state, "the daemon's state")->capture_default_str();
  app.add_option("--run", in.paths.run, "where the sockets are")->capture_default_str();
  app.add_option("-o,--output", in.output,
                 "`text`, or `json`: one object a line (/usr/share/doc/clawpatrol/formats.md)")
      ->check(one_of({"text", "json"}))
      ->capture_default_str()
      ->option_text("FORMAT");
  app.add_flag("--markdown", in.markdown, "print docs/cpctl.md")->group("");
  add_flows(app, in);
  add_policy(app, in);
  add_facets(app, in);
  add_generations(app, in);
  add_tests(app, in);
  add_peers(app, in);
  add_lockdown(app, in);
  add_credentials(app, in);
  add_ca(app, in);
  add_audit(app, in);
  add_completions(app, in);
  app.footer("Exit status: 0 it is so, 1 no, 2 usage, 3 no daemon answers.");
}

void describe(std::string& out, const CLI::App& command, const std::string& path) {
  std::string usage = path;
  std::string details;
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_name(false, true) == "-h,--help" || option->get_group().empty()) continue;
    bool positional = option->get_positional();
    std::string name = positional ? option->get_name(true) : option->get_name(false, true);
    if (positional) usage += option->get_required() ? " " + name : " [" + name + "]";
    details += fmt::format("- `{}`: {}\n", name, option->get_description());
  }
  auto subcommands = command.get_subcommands([](const CLI::App*) { return true; });
  bool callable = command.get_require_subcommand_min() == 0;
  if (callable)
    out += fmt::format("### `{}`\n\n{}.\n\n{}{}", usage, command.get_description(), details,
                       details.empty() ? "" : "\n");
  for (const CLI::App* sub : subcommands) describe(out, *sub, path + " " + sub->get_name());
}

// What begins with dashes is taken for an option, and an expression may.
constexpr std::string_view dashes_hint =
    "An expression that begins with dashes stands behind `--`: `cpctl eval -- '--1'`.";

int usage_error(CLI::App& app, const CLI::ParseError& error, const std::vector<std::string>& arguments,
                Console& console) {
  if (error.get_exit_code() == 0) {
    // --help and --version come as errors, with what to print.
    std::stringstream out, err;
    app.exit(error, out, err);
    console.out(out.str());
    return exit_ok;
  }
  const UsageProblem problem = usage_problem(app, error, arguments);
  console.complain(printable(problem.what), app.got_subcommand("eval") ? dashes_hint : problem.hint);
  return exit_usage;
}

}  // namespace

int run(const std::vector<std::string>& arguments, Streams streams) {
  CLI::App app("", "cpctl");
  Invocation in;
  build(app, in);
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  Console plain(streams, Format::text);
  if (!arguments.empty() && arguments.front() == "--complete") {
    for (const std::string& word : complete(app, {arguments.begin() + 1, arguments.end()}, in.paths))
      plain.line(word);
    return exit_ok;
  }
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error, arguments, plain);
  }
  if (in.markdown) {
    plain.out(reference());
    return exit_ok;
  }
  if (!in.chosen) {
    plain.err(app.help());
    return exit_usage;
  }
  if (in.system == "macos") in.peer.hooks = Hooks::macos;
  if (in.no_hooks || in.peer.qr) in.peer.hooks = Hooks::none;
  Console console(streams, in.output == "json" ? Format::json : Format::text);
  const int status = in.chosen({console, in.paths});
  // A reader that has seen enough is no failure.
  if (status != exit_ok || !console.broken() || console.broken_by() == EPIPE) return status;
  console.complain(fmt::format("cannot write the output: {}", std::strerror(console.broken_by())));
  return exit_no;
}

std::string reference() {
  CLI::App app("", "cpctl");
  Invocation in;
  build(app, in);
  std::string out = "# cpctl\n\n<!-- Made by `cpctl --markdown`: change cpctl/cli.cpp, not this. -->\n\n";
  out += app.get_description() + " " + app.get_footer() + "\n\nEvery command takes:\n\n";
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    std::string preset =
        option->get_default_str().empty() ? "" : " (default `" + option->get_default_str() + "`)";
    out += fmt::format("- `{}`: {}{}\n", option->get_name(false, true), option->get_description(), preset);
  }
  out +=
      "\nColour is used on a terminal only, and not where `NO_COLOR` is set. No control or bidirectional "
      "character of "
      "an agent's is ever printed: it appears as `\\u{1b}`, a byte that is not UTF-8 as `\\xff`.\n\n## "
      "Commands\n\n";
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    describe(out, *command, "cpctl " + command->get_name());
  }
  out.pop_back();
  return out;
}

}  // namespace clawpatrol::cpctl
