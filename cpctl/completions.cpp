#include "cpctl/completions.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "cpctl/names_of.h"
#include "cpctl/values.h"

namespace clawpatrol::cpctl {
namespace {

constexpr std::string_view bash_script = R"sh(# cpctl, for bash. Made by `cpctl completions bash`.
_cpctl() {
  local IFS=$'\n'
  COMPREPLY=($(cpctl --complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _cpctl cpctl
)sh";

constexpr std::string_view zsh_script = R"sh(#compdef cpctl
# cpctl, for zsh. Made by `cpctl completions zsh`.
local -a found
found=(${(f)"$(cpctl --complete "${(@)words[2,CURRENT]}" 2>/dev/null)"})
if (( $#found )); then compadd -a found; else _files; fi
)sh";

constexpr std::string_view fish_script = R"sh(# cpctl, for fish. Made by `cpctl completions fish`.
function __cpctl_complete
  set -l words (commandline -opc) (commandline -ct)
  cpctl --complete $words[2..-1] 2>/dev/null
end
complete -c cpctl -a '(__cpctl_complete)'
)sh";

// Where a name stands that a daemon knows, by the words before it.
const std::map<std::string, NameKind, std::less<>>& named_places() {
  static const std::map<std::string, NameKind, std::less<>> places = {
      {"flows show", NameKind::flow},     {"flows kill", NameKind::flow},
      {"explain", NameKind::action},      {"audit export", NameKind::action},
      {"rollback", NameKind::generation}, {"peers rm", NameKind::peer},
      {"peers rotate", NameKind::peer},   {"peers pause", NameKind::peer},
      {"peers resume", NameKind::peer},   {"lockdown --peer", NameKind::peer},
      {"unlock --peer", NameKind::peer},  {"creds set", NameKind::credential},
      {"creds rm", NameKind::credential},
  };
  return places;
}

std::vector<std::string> beginning_with(std::vector<std::string> all, const std::string& typed) {
  std::erase_if(all, [&](const std::string& each) { return !each.starts_with(typed); });
  std::ranges::sort(all);
  return all;
}

CLI::App* subcommand_of(CLI::App& app, const std::string& name) {
  for (CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    if (sub->get_name() == name) return sub;
  return nullptr;
}

void add_options(const CLI::App& app, std::vector<std::string>& into) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    for (const std::string& name : option->get_lnames())
      if (std::ranges::find(into, "--" + name) == into.end()) into.push_back("--" + name);
  }
}

// Of the option before the word that is typed or, where there is none, of what the command itself takes.
std::vector<std::string> words_here(CLI::App& app, CLI::App& command, const std::vector<std::string>& words) {
  const std::string before = words.size() < 2 ? "" : words[words.size() - 2];
  std::vector<std::string> found;
  for (CLI::App* taker : {&command, &app})
    for (CLI::Option* option : taker->get_options())
      if (found.empty() && (before.starts_with('-') ? option->check_name(before) : option->get_positional()))
        found = words_of(*option);
  return found;
}

}  // namespace

std::vector<std::string> complete(CLI::App& app, const std::vector<std::string>& words, const Paths& paths) {
  const std::string typed = words.empty() ? "" : words.back();
  CLI::App* at = &app;
  std::string path;
  Paths where = paths;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i] == "--run") where.run = words[i + 1];
    CLI::App* next = subcommand_of(*at, words[i]);
    const bool names_next = words[i].starts_with("--") && named_places().contains(path + " " + words[i]);
    if (!next && !names_next) continue;
    path += (path.empty() ? "" : " ") + words[i];
    if (next) at = next;
  }
  if (auto place = named_places().find(path); place != named_places().end() && !typed.starts_with('-'))
    return beginning_with(names_of(place->second, where), typed);
  std::vector<std::string> found;
  if (typed.starts_with('-')) {
    add_options(*at, found);
    if (at != &app) add_options(app, found);
  } else if (found = words_here(app, *at, words); found.empty()) {
    for (const CLI::App* sub : at->get_subcommands([](const CLI::App*) { return true; }))
      found.push_back(sub->get_name());
  }
  return beginning_with(std::move(found), typed);
}

std::optional<std::string> completion_script(std::string_view shell) {
  if (shell == "bash") return std::string(bash_script);
  if (shell == "zsh") return std::string(zsh_script);
  if (shell == "fish") return std::string(fish_script);
  return std::nullopt;
}

}  // namespace clawpatrol::cpctl
