// `cpctl facets http` and `cpctl facets kubernetes`: requests as the gateway sees them, by its own parsers.
#include <fmt/format.h>

#include "cpctl/commands.h"
#include "cpctl/facet_json.h"
#include "cpctl/json_lines.h"
#include "cpctl/printable.h"
#include "parsers/base64.h"
#include "parsers/http/described.h"
#include "parsers/http/wire.h"
#include "parsers/kubernetes/request.h"
#include "policy/action_json.h"
#include "policy/cel/facet_values.h"
#include "policy/config/units.h"

namespace clawpatrol::cpctl {
namespace {

using control::JsonObject;
using control::Message;

// What one request is; nothing of k8s where it was not asked for.
struct Seen {
  std::optional<HttpFacets> http;
  std::optional<K8sFacets> k8s;
  std::optional<ActionKind> kind;
  std::string refused;

  Action action() const {
    Action action;
    action.type = ActionType::request;
    if (http) action.http = &*http;
    if (k8s) action.k8s = &*k8s;
    return action;
  }
};

Seen seen_http(const http::WireRequest& request) {
  return {.http = request.facets, .k8s = {}, .kind = request.kind, .refused = {}};
}

Seen seen_kubernetes(const http::Request& request, std::string_view refused, const http::Options& options) {
  auto facets = kubernetes::facets_of(request, options);
  if (!facets) return {.http = {}, .k8s = {}, .kind = {}, .refused = std::string(facets.error())};
  if (refused.empty()) refused = facets->refused;
  return {.http = std::move(facets->http),
          .k8s = std::move(facets->k8s),
          .kind = facets->kind,
          .refused = std::string(refused)};
}

void add_facets(JsonObject& object, const Seen& seen) {
  if (seen.k8s) object.add_json("k8s", facets_json(seen.action(), FacetFamily::k8s));
  if (seen.http) object.add_json("http", facets_json(seen.action(), FacetFamily::http));
  if (seen.kind) object.add("kind", name_of(*seen.kind));
}

std::string json_of(const Seen& seen) {
  JsonObject object;
  if (!seen.refused.empty()) object.add("refused", seen.refused);
  add_facets(object, seen);
  return object.text();
}

struct SeenWire {
  std::vector<Seen> requests;
  std::string refused;  // what comes behind them
};

SeenWire see_wire(std::string_view bytes, const RequestView& view, const http::Options& options) {
  http::WireReading reading = http::read_wire(bytes, options);
  SeenWire seen{{}, std::string(reading.refused)};
  for (const http::WireRequest& request : reading.requests)
    seen.requests.push_back(view.protocol == RequestProtocol::http
                                ? seen_http(request)
                                : seen_kubernetes(request.request(), {}, options));
  return seen;
}

// One request is the answer itself; of several the first is, too, and all stand under `requests`.
std::string json_of(const SeenWire& seen) {
  std::vector<std::string> all;
  for (const Seen& request : seen.requests) all.push_back(json_of(request));
  if (seen.refused.empty() && all.size() == 1) return all.front();
  JsonObject object;
  if (!seen.refused.empty()) object.add("refused", seen.refused);
  if (!all.empty() && seen.refused.empty()) add_facets(object, seen.requests.front());
  if (!all.empty()) object.add_json("requests", control::json_array(all));
  return object.text();
}

std::expected<std::string, std::string> bytes_of(const Message& line, std::string_view key) {
  if (auto text = line.text(key)) return *text;
  const std::string encoded_key = std::string(key) + "_base64";
  auto encoded = line.text(encoded_key);
  if (!encoded) return std::unexpected(fmt::format("this line has no text under \"{}\"", key));
  auto bytes = base64_decoded(*encoded, Base64Padding::required);
  if (!bytes) return std::unexpected(fmt::format("\"{}\" is not Base64", encoded_key));
  return *bytes;
}

std::expected<std::vector<http::DescribedHeader>, std::string> headers_of(const Message& line) {
  std::vector<http::DescribedHeader> headers;
  if (!line.has("headers")) return headers;
  const Message object = line.object("headers");
  if (!object.is_object())
    return std::unexpected("\"headers\" is not an object of texts, or of lists of texts");
  for (const auto& [name, value] : object.members()) {
    if (auto text = value.as_text()) {
      headers.push_back({name, *text});
      continue;
    }
    std::vector<Message> values = value.elements();
    for (const Message& element : values) {
      auto text = element.as_text();
      if (!text)
        return std::unexpected(fmt::format("header \"{}\" is neither text nor a list of texts", name));
      headers.push_back({name, *text});
    }
    if (values.empty() && value.json() != "[]")
      return std::unexpected(fmt::format("header \"{}\" is neither text nor a list of texts", name));
  }
  return headers;
}

// Text, or JSON that stands for the text that it is; nothing where there is none.
std::expected<std::string, std::string> body_of(const Message& line) {
  if (line.has("body_base64")) return bytes_of(line, "body");
  for (const auto& [name, value] : line.members()) {
    if (name != "body" || value.is_null()) continue;
    auto text = value.as_text();
    return text ? *text : value.json();
  }
  return std::string();
}

std::expected<std::string, std::string> answer_described(const Message& line, const http::Options& options) {
  http::Described described;
  auto method = line.text("method");
  auto target = line.text("target");
  if (!method || !target) return std::unexpected("this line has no text under \"method\" and \"target\"");
  described.method = *method;
  described.target = *target;
  auto headers = headers_of(line);
  if (!headers) return std::unexpected(headers.error());
  described.headers = std::move(*headers);
  auto body = body_of(line);
  if (!body) return std::unexpected(body.error());
  described.body = std::move(*body);
  const http::DescribedRequest read = http::read_described(described);
  return json_of(seen_kubernetes(read.request, read.refused, options));
}

void show(Console& console, const Seen& seen) {
  if (seen.kind)
    console.line(console.paint(Style::bold, "request") + ", kind " + std::string(name_of(*seen.kind)));
  const Action action = seen.action();
  for (const FacetInfo& facet : facet_table) {
    if (facet.family != FacetFamily::http && facet.family != FacetFamily::k8s) continue;
    const cel::Value value = cel::facet_reader(facet.id)(action);
    if (value.kind == cel::Kind::unknown && value.why() == Unknown::not_applicable) continue;
    console.line(console.paint(Style::dim, fmt::format("  {:<17}", facet.path)) + " " +
                 printable(value_json(value)));
  }
  if (!seen.refused.empty())
    console.line(console.paint(Style::bad, "refused") + ": " + printable(seen.refused));
}

int show_wire(Console& console, const SeenWire& seen) {
  bool refused = !seen.refused.empty();
  for (const Seen& request : seen.requests) {
    show(console, request);
    refused = refused || !request.refused.empty();
  }
  if (!seen.refused.empty())
    console.line(console.paint(Style::bad, "refused") + ": " + printable(seen.refused));
  return refused ? exit_no : exit_ok;
}

std::expected<http::Options, std::string> options_of(const RequestView& view) {
  http::Options options;
  if (view.paths == PathView::lenient) options.paths = http::Paths::lenient;
  if (view.limit.empty()) return options;
  auto bytes = config::parse_size(view.limit);
  if (!bytes) return std::unexpected(fmt::format("--limit '{}': {}", view.limit, bytes.error()));
  options.body_inspect = static_cast<std::size_t>(*bytes);
  return options;
}

}  // namespace

int facets_request(Context context, const RequestView& view) {
  Console& console = context.console;
  auto options = options_of(view);
  if (!options) {
    console.complain(printable(options.error()));
    return exit_usage;
  }
  if (view.input == InputForm::json_lines)
    return answer_lines(context, [&](const Message& line) -> std::expected<std::string, std::string> {
      const bool wire = line.has("wire") || line.has("wire_base64");
      if (view.protocol == RequestProtocol::kubernetes && !wire) return answer_described(line, *options);
      auto bytes = bytes_of(line, "wire");
      if (!bytes) return std::unexpected(bytes.error());
      return json_of(see_wire(*bytes, view, *options));
    });
  auto bytes = read_input(console);
  if (!bytes) {
    console.complain(bytes.error());
    return exit_no;
  }
  const SeenWire seen = see_wire(*bytes, view, *options);
  if (!console.json()) return show_wire(console, seen);
  JsonObject line = control::message_of_type("requests");
  if (!seen.refused.empty()) line.add("refused", seen.refused);
  std::vector<std::string> all;
  for (const Seen& request : seen.requests) all.push_back(json_of(request));
  console.line(line.add_json("requests", control::json_array(all)).text());
  return seen.refused.empty() ? exit_ok : exit_no;
}

}  // namespace clawpatrol::cpctl
