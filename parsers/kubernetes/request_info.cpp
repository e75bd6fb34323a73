#include "parsers/kubernetes/request_info.h"

#include <algorithm>
#include <optional>

#include "parsers/http/target.h"
#include "parsers/http1/text.h"
#include "parsers/kubernetes/selectors.h"

namespace clawpatrol::kubernetes {
namespace {

using Parts = std::vector<std::string_view>;

// As strings.Split(strings.Trim(path, "/"), "/"): empty parts within stay.
Parts split(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  while (path.ends_with('/')) path.remove_suffix(1);
  Parts parts;
  if (path.empty()) return parts;
  while (true) {
    const std::size_t slash = path.find('/');
    parts.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return parts;
    path.remove_prefix(slash + 1);
  }
}

void drop_first(Parts& parts) {
  parts.erase(parts.begin());
}

std::string_view verb_of(std::string_view method) {
  if (method == "POST") return "create";
  if (method == "GET" || method == "HEAD") return "get";
  if (method == "PUT") return "update";
  if (method == "PATCH") return "patch";
  if (method == "DELETE") return "delete";
  return "";
}

bool is_verb_in_path(std::string_view part) {
  return part == "proxy" || part == "watch";
}

// /namespaces/NAME/RESOURCE/...: what is left begins with the resource. `status` and `finalize` are of the
// namespace itself.
void take_namespace(Parts& parts, RequestInfo& info) {
  if (parts[0] != "namespaces" || parts.size() < 2) return;
  info.namespace_ = parts[1];
  if (parts.size() > 2 && parts[2] != "status" && parts[2] != "finalize")
    parts.erase(parts.begin(), parts.begin() + 2);
}

void take_object(const Parts& parts, RequestInfo& info) {
  info.resource = parts[0];
  if (parts.size() >= 2) info.name = parts[1];
  if (parts.size() >= 3 && info.verb != "proxy") info.subresource = parts[2];
}

void tell_collections(const Params& params, RequestInfo& info) {
  if (!info.name.empty()) return;
  if (info.verb == "delete") info.verb = "deletecollection";
  if (info.verb != "get") return;
  ListOptions options = read_list_options(params);
  info.verb = options.watch ? "watch" : "list";
  info.name = std::move(options.name);
}

std::optional<std::string> decoded(std::string_view text) {
  std::string spaced(text);
  std::ranges::replace(spaced, '+', ' ');
  return http::percent_decoded(spaced);
}

}  // namespace

bool Params::has(std::string_view name) const {
  return std::ranges::any_of(pairs, [name](const auto& pair) { return pair.first == name; });
}

std::string_view Params::first(std::string_view name) const {
  auto found = std::ranges::find_if(pairs, [name](const auto& pair) { return pair.first == name; });
  return found == pairs.end() ? std::string_view() : found->second;
}

std::vector<std::string> Params::all(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& pair : pairs)
    if (pair.first == name) values.push_back(pair.second);
  return values;
}

Params read_params(std::string_view query) {
  Params params;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    auto name = decoded(pair.substr(0, equals));
    auto value = decoded(equals == std::string_view::npos ? "" : pair.substr(equals + 1));
    if (pair.contains(';') || !name || !value)
      params.left_out = true;
    else
      params.pairs.emplace_back(std::move(*name), std::move(*value));
  }
  return params;
}

std::expected<RequestInfo, std::string_view> request_info(std::string_view method, std::string_view path,
                                                          const Params& params) {
  RequestInfo info;
  info.path = path;
  info.verb = http1::lower_case(method);
  Parts parts = split(path);
  if (parts.size() < 3 || (parts[0] != "api" && parts[0] != "apis")) return info;
  const bool grouped = parts[0] == "apis";
  drop_first(parts);
  if (grouped) {
    if (parts.size() < 3) return info;
    info.group = parts[0];
    drop_first(parts);
  }
  info.is_resource = true;
  info.version = parts[0];
  drop_first(parts);
  if (is_verb_in_path(parts[0])) {
    if (parts.size() < 2) return std::unexpected("a verb in the path, and nothing behind it");
    info.verb = parts[0];
    drop_first(parts);
  } else {
    info.verb = verb_of(method);
  }
  take_namespace(parts, info);
  take_object(parts, info);
  tell_collections(params, info);
  return info;
}

}  // namespace clawpatrol::kubernetes
