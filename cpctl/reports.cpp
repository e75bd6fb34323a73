#include "cpctl/reports.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cpctl/printable.h"
#include "daemon/control/message.h"
#include "policy/lints/codes.h"

namespace clawpatrol::cpctl {
namespace {

using control::json_array;
using control::JsonObject;

constexpr std::string_view sarif_schema =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

enum class GithubPart : std::uint8_t { data, property };

// docs.github.com, "Workflow commands", and the runner's own unescaping: `%`, CR and LF everywhere, `:` and
// `,` in properties too.
std::string github_escaped(std::string_view text, GithubPart part) {
  std::string out;
  for (char c : text) {
    bool escape =
        c == '%' || c == '\r' || c == '\n' || (part == GithubPart::property && (c == ':' || c == ','));
    if (escape)
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out;
}

std::string github_property(std::string_view name, std::string_view value) {
  return fmt::format(",{}={}", name, github_escaped(printable(value), GithubPart::property));
}

std::string github_line(const Diagnostic& item) {
  std::string line = item.severity == Severity::error ? "::error " : "::warning ";
  line += "file=" + github_escaped(printable(item.place.file), GithubPart::property);
  if (item.place.line > 0)
    line += fmt::format(",line={},col={},endColumn={}", item.place.line, item.place.column,
                        item.place.column + std::max(item.place.width, 1u));
  if (!item.code.empty()) line += github_property("title", item.code);
  std::string message = printable(item.message);
  for (const Related& related : item.related)
    message += fmt::format("\n{}:{}: {}", printable(related.file), related.line, printable(related.note));
  if (!item.hint.empty()) message += "\n" + printable(item.hint);
  return line + "::" + github_escaped(message, GithubPart::data) + "\n";
}

// RFC 3986: what may stand in a path, the rest as %XX; an absolute path is of this machine.
std::string uri_of(std::string_view path) {
  std::string uri = path.starts_with('/') ? "file://" : "";
  for (char c : path) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 std::string_view("-._~/").contains(c);
    if (plain)
      uri += c;
    else
      uri += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return uri;
}

// Columns of places count bytes, and those of SARIF code points, as `columnKind` says.
std::size_t code_points(std::string_view line, std::size_t bytes) {
  return static_cast<std::size_t>(std::ranges::count_if(
      line.substr(0, bytes), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string region_json(const Place& place, std::string_view source_line) {
  JsonObject region;
  region.add("startLine", place.line);
  std::size_t first = place.column == 0 ? 0 : place.column - 1, end = first + std::max(place.width, 1u);
  if (end <= source_line.size()) {
    region.add("startColumn", 1 + code_points(source_line, first));
    region.add("endColumn", 1 + code_points(source_line, end));
  }
  return region.text();
}

JsonObject location_json(const Place& place, std::string_view source_line) {
  JsonObject physical;
  physical.add_json("artifactLocation", JsonObject().add("uri", uri_of(place.file)).text());
  if (place.line > 0) physical.add_json("region", region_json(place, source_line));
  return std::move(JsonObject().add_json("physicalLocation", physical.text()));
}

std::string_view level_of(Severity severity) {
  return severity == Severity::error ? "error" : "warning";
}

std::string text_json(std::string_view text) {
  return JsonObject().add("text", text).text();
}

std::string result_json(const Diagnostic& item) {
  JsonObject result;
  const lints::Code* code = lints::find_code(item.code);
  if (code) result.add("ruleId", code->code).add("ruleIndex", code - lints::all_codes().data());
  result.add("level", level_of(item.severity));
  result.add_json("message", text_json(item.hint.empty() ? item.message : item.message + ". " + item.hint));
  result.add_json("locations", json_array({location_json(item.place, item.source_line).text()}));
  std::vector<std::string> related;
  for (const Related& other : item.related) {
    JsonObject location = location_json(other, other.source_line);
    location.add("id", related.size() + 1).add_json("message", text_json(other.note));
    related.push_back(location.text());
  }
  if (!related.empty()) result.add_json("relatedLocations", json_array(related));
  return result.text();
}

std::string rule_json(const lints::Code& code) {
  std::string help(code.meaning);
  if (!code.wrong.empty()) help += fmt::format("\n\nWrong:\n\n{}", code.wrong);
  if (!code.right.empty()) help += fmt::format("\n\nRight:\n\n{}", code.right);
  JsonObject rule;
  rule.add("id", code.code).add_json("shortDescription", text_json(code.title));
  rule.add_json("fullDescription", text_json(code.meaning)).add_json("help", text_json(help));
  return rule.add_json("defaultConfiguration", JsonObject().add("level", level_of(code.severity)).text())
      .text();
}

}  // namespace

std::string github_report(const Diagnostics& diagnostics) {
  std::string out;
  for (const Diagnostic& item : diagnostics.items) out += github_line(item);
  return out;
}

std::string sarif_report(const Diagnostics& diagnostics) {
  std::vector<std::string> rules, results;
  for (const lints::Code& code : lints::all_codes()) rules.push_back(rule_json(code));
  for (const Diagnostic& item : diagnostics.items) results.push_back(result_json(item));
  JsonObject driver;
  driver.add("name", "cpctl check").add("version", CLAWPATROL_VERSION).add_json("rules", json_array(rules));
  JsonObject run;
  run.add_json("tool", JsonObject().add_json("driver", driver.text()).text());
  run.add("columnKind", "unicodeCodePoints").add_json("results", json_array(results));
  JsonObject log;
  log.add("$schema", sarif_schema).add("version", "2.1.0").add_json("runs", json_array({run.text()}));
  return log.text();
}

}  // namespace clawpatrol::cpctl
