#include "cpctl/usage.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>

#include "policy/config/suggest.h"

namespace clawpatrol::cpctl {
namespace {

// The command that was being read when it went wrong, and its path, such as `peers add`.
struct Reached {
  const CLI::App* command;
  std::string path;
};

Reached reached_by(const CLI::App& app) {
  Reached reached{&app, ""};
  for (auto next = app.get_subcommands(); !next.empty(); next = next.front()->get_subcommands()) {
    reached.command = next.front();
    reached.path += (reached.path.empty() ? "" : " ") + reached.command->get_name();
  }
  return reached;
}

std::vector<std::string> names_of_subcommands(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* each : command.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(each->get_name());
  return names;
}

std::vector<std::string> names_of_options(const CLI::App& app, const CLI::App& command) {
  std::vector<std::string> names;
  std::vector<const CLI::App*> takers = {&command};
  if (&command != &app) takers.push_back(&app);  // whose options every command takes
  for (const CLI::App* each : takers)
    for (const CLI::Option* option : each->get_options())
      if (!option->get_positional() && !option->get_group().empty())
        for (const std::string& name : option->get_lnames())
          if (std::ranges::find(names, "--" + name) == names.end()) names.push_back("--" + name);
  return names;
}

std::string suggestion(const std::string& word, const std::vector<std::string>& names) {
  const std::vector<std::string_view> known(names.begin(), names.end());
  return config::suggestion(word, known);
}

// The first word that nothing took.
std::optional<std::string> unknown_word(const CLI::App& app, const std::vector<std::string>& arguments) {
  const std::vector<std::string> left = app.remaining(true);
  auto at = std::ranges::find_if(
      arguments, [&](const std::string& word) { return std::ranges::find(left, word) != left.end(); });
  return at == arguments.end() ? std::nullopt : std::optional(*at);
}

// CLI11 counts values: `--since: 1 required TEXT missing`, `--since: At Most 1 required but received 2`.
std::string wrong_count(const std::string& said) {
  const std::string option = said.substr(0, said.find(':'));
  return option + (said.ends_with("missing") ? ": its value is missing" : ": given more than once");
}

// Numbers are checked before they are converted, so that a flag with a value is left: `Could not convert:
// --watch = maybe`.
std::string wrong_flag(const std::string& said) {
  const std::size_t name = said.find(": "), value = said.find(" = ");
  if (name == std::string::npos || value == std::string::npos) return said;
  return fmt::format("{} takes no value: '{}'", said.substr(name + 2, value - name - 2),
                     said.substr(value + 3));
}

}  // namespace

UsageProblem usage_problem(const CLI::App& app, const CLI::ParseError& error,
                           const std::vector<std::string>& arguments) {
  const Reached reached = reached_by(app);
  const bool is_root = reached.path.empty();
  const std::string help = fmt::format("Run `cpctl {}{}--help`.", reached.path, is_root ? "" : " ");
  const std::string of = is_root ? "" : " of " + reached.path;
  const std::vector<std::string> commands = names_of_subcommands(*reached.command);
  if (auto word = unknown_word(app, arguments)) {
    if (word->starts_with('-')) {
      const std::string name = word->substr(0, word->find('='));
      return {fmt::format("no such option{}: '{}'", of, name),
              suggestion(name, names_of_options(app, *reached.command))};
    }
    if (!commands.empty())
      return {fmt::format("no such command{}: '{}'", of, *word), suggestion(*word, commands)};
    return {fmt::format("{} takes nothing more: '{}'", reached.path, *word), help};
  }
  if (dynamic_cast<const CLI::RequiredError*>(&error) && !commands.empty())
    return {fmt::format("{}a command is missing", is_root ? "" : reached.path + ": "),
            suggestion("", commands)};
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error)) return {wrong_count(error.what()), help};
  if (dynamic_cast<const CLI::ConversionError*>(&error)) return {wrong_flag(error.what()), help};
  return {error.what(), help};
}

}  // namespace clawpatrol::cpctl
