// `cpctl diff OLD NEW [--replay AUDIT...]`: what a change of policy changes, and for which recorded actions.
#include <fmt/format.h>

#include "cpctl/commands.h"
#include "cpctl/diff/changes.h"
#include "cpctl/diff/replay.h"
#include "cpctl/printable.h"
#include "cpctl/units.h"
#include "daemon/control/message.h"

namespace clawpatrol::cpctl {
namespace {

using control::JsonObject;

constexpr std::string_view way_names[] = {"wider", "narrower", "other_rule"};

std::shared_ptr<const Policy> load(Console& console, const std::filesystem::path& path) {
  LoadResult loaded = load_policy(path, LoadFor::judge);
  if (loaded.policy) return std::move(loaded.policy);
  console.err(printable_lines(loaded.diagnostics.render()));
  console.complain(fmt::format("the policy cannot be loaded: '{}'", path.native()));
  return nullptr;
}

Style style_of(Change::What what) {
  switch (what) {
    case Change::What::added: return Style::good;
    case Change::What::removed: return Style::bad;
    default: return Style::warning;
  }
}

void print_change(Console& console, const Change& change) {
  std::string head = std::string(name_of(change.what)) + " " + change.section;
  if (!change.name.empty()) head += " \"" + printable(change.name) + "\"";
  console.line(console.paint(style_of(change.what), head));
  for (const FieldChange& field : change.fields) {
    const std::string before = printable(field.before), after = printable(field.after);
    if (change.what == Change::What::added)
      console.line(fmt::format("    {}: {}", field.field, after));
    else if (change.what == Change::What::removed)
      console.line(fmt::format("    {}: {}", field.field, before));
    else
      console.line(fmt::format("    {}: {} -> {}", field.field, before.empty() ? "none" : before,
                               after.empty() ? "none" : after));
  }
}

std::string change_json(const Change& change) {
  std::vector<std::string> fields;
  for (const FieldChange& field : change.fields)
    fields.push_back(
        JsonObject().add("field", field.field).add("before", field.before).add("after", field.after).text());
  return JsonObject()
      .add("change", name_of(change.what))
      .add("section", change.section)
      .add("name", change.name)
      .add_json("fields", control::json_array(fields))
      .text();
}

void print_replay(Console& console, const Replay& replay) {
  for (const Replay::Group& group : replay.groups()) {
    const bool wider = group.way == Replay::Way::wider;
    const std::string what = wider                                ? "wider"
                             : group.way == Replay::Way::narrower ? "narrower"
                                                                  : "by another rule";
    console.line(fmt::format("{}: {}: {} -> {}", console.paint(wider ? Style::bad : Style::warning, what),
                             counted(group.count, "action"), printable(group.before),
                             printable(group.after)));
    for (const std::string& example : group.examples)
      console.line("    " + console.paint(Style::dim, clipped(printable(example), 100)));
  }
  for (const auto& [why, count] : replay.unjudged())
    console.line(fmt::format("not judged: {}: {}", counted(count, "action"), printable(why)));
  if (replay.damaged() > 0)
    console.line(
        fmt::format("not read: {} that are no lines of an audit log", counted(replay.damaged(), "line")));
  if (replay.foreign() > 0)
    console.line(fmt::format("recorded otherwise than OLD decides, by another generation: {}",
                             counted(replay.foreign(), "action")));
  std::size_t unjudged = 0;
  for (const auto& [why, count] : replay.unjudged()) unjudged += count;
  console.line(fmt::format("replayed {}: {} alike, {} wider, {} narrower, {} not judged",
                           counted(replay.actions(), "action"), replay.alike(), replay.wider(),
                           replay.narrower(), unjudged));
}

std::string replay_json(const Replay& replay) {
  std::vector<std::string> groups, unjudged;
  for (const Replay::Group& group : replay.groups())
    groups.push_back(JsonObject()
                         .add("way", way_names[static_cast<std::size_t>(group.way)])
                         .add("before", group.before)
                         .add("before_rule", group.before_rule)
                         .add("after", group.after)
                         .add("after_rule", group.after_rule)
                         .add("count", group.count)
                         .add_json("examples", control::json_texts(group.examples))
                         .text());
  for (const auto& [why, count] : replay.unjudged())
    unjudged.push_back(JsonObject().add("why", why).add("count", count).text());
  return JsonObject()
      .add("actions", replay.actions())
      .add("alike", replay.alike())
      .add("wider", replay.wider())
      .add("narrower", replay.narrower())
      .add("recorded_otherwise", replay.foreign())
      .add("damaged", replay.damaged())
      .add_json("groups", control::json_array(groups))
      .add_json("not_judged", control::json_array(unjudged))
      .text();
}

}  // namespace

int diff_policies(Context context, const DiffRequest& request) {
  Console& console = context.console;
  auto before = load(console, request.before), after = load(console, request.after);
  if (!before || !after) return exit_usage;
  Replay replay(before, after);
  for (const auto& path : request.replay) {
    auto read = replay.read(path);
    if (read) continue;
    console.complain(read.error(), "Name the directory of a log, or one of its segments.");
    return exit_usage;
  }
  const bool replayed = !request.replay.empty();
  const std::vector<Change> changes = changes_between(*before, *after);
  if (console.json()) {
    std::vector<std::string> texts;
    for (const Change& change : changes) texts.push_back(change_json(change));
    JsonObject line = control::message_of_type("diff");
    line.add("before", before->digest).add("after", after->digest);
    line.add_json("changes", control::json_array(texts));
    if (replayed) line.add_json("replay", replay_json(replay));
    console.line(line.text());
  } else {
    for (const Change& change : changes) print_change(console, change);
    if (changes.empty()) console.line("the two policies say the same");
    if (replayed) print_replay(console, replay);
  }
  return replay.wider() > 0 && !request.accept_wider ? exit_no : exit_ok;
}

}  // namespace clawpatrol::cpctl
