#include "parsers/http/request.h"

#include <algorithm>

#include "parsers/http/classes.h"
#include "parsers/http/decoding.h"
#include "parsers/http/target.h"
#include "parsers/http1/text.h"
#include "parsers/json.h"

namespace clawpatrol::http {
namespace {

Document header_lists(const std::vector<http1::Header>& headers) {
  Document::Members lists;
  lists.reserve(headers.size());
  for (const http1::Header& header : headers)
    add_text(lists, http1::lower_case(header.name), std::string(header.value));
  return {std::move(lists)};
}

bool headers_are_text(const std::vector<http1::Header>& headers) {
  return std::ranges::all_of(headers, [](const http1::Header& header) { return is_utf8(header.value); });
}

std::vector<std::string> codings_of(const Request& request) {
  std::vector<std::string> codings;
  for (const http1::Header& header : request.headers) {
    if (!http1::same_name(header.name, "content-encoding")) continue;
    http1::each_member(header.value, [&](std::string_view coding) {
      codings.push_back(http1::lower_case(coding));
      return true;
    });
  }
  return codings;
}

// A charset that is not UTF-8's makes other text of the same bytes.
bool says_other_charset(const Request& request) {
  for (const http1::Header& header : request.headers) {
    if (!http1::same_name(header.name, "content-type")) continue;
    const std::string value = http1::lower_case(header.value);
    const std::size_t at = value.find("charset");
    if (at == std::string::npos) continue;
    std::string_view charset = http1::trimmed(std::string_view(value).substr(at + 7));
    if (!charset.starts_with('=')) return true;
    charset = http1::trimmed(charset.substr(1));
    charset = http1::trimmed(charset.substr(0, charset.find(';')));
    if (charset.size() >= 2 && charset.starts_with('"') && charset.ends_with('"'))
      charset = charset.substr(1, charset.size() - 2);
    if (charset != "utf-8" && charset != "utf8" && charset != "us-ascii") return true;
  }
  return false;
}

void read_body(const Request& request, const Options& options, HttpFacets& facets) {
  if (request.body_state != BodyState::whole) {
    const Unknown why = request.body_state == BodyState::cut ? Unknown::over_limit : Unknown::pending;
    facets.body = why;
    facets.body_json = why;
    facets.body_size = why;
    // A body that turns out shorter is no request, and goes nowhere.
    if (request.declared_size) facets.body_size = static_cast<std::int64_t>(*request.declared_size);
    return;
  }
  facets.body_size = static_cast<std::int64_t>(request.body.size());
  if (request.body.empty()) {
    facets.body = std::string();
    facets.body_json = Document{Document::Members()};
    return;
  }
  if (options.bodies == Bodies::unread) return;
  auto body = decode(request.body, codings_of(request), options.body_inspect);
  if (body && (!is_utf8(*body) || says_other_charset(request))) body = std::unexpected(Unknown::undecodable);
  if (!body) {
    facets.body = body.error();
    facets.body_json = body.error();
    return;
  }
  if (options.bodies == Bodies::text) return void(facets.body = std::move(*body));
  auto json = read_json_document(*body);
  facets.body_json = json ? Facet<Document>(std::move(*json)) : Facet<Document>(json.error());
  facets.body = std::move(*body);
}

bool overrides_method(const Request& request) {
  return std::ranges::any_of(request.headers, [](const http1::Header& header) {
    return http1::same_name(header.name, "x-http-method-override") ||
           http1::same_name(header.name, "x-http-method") ||
           http1::same_name(header.name, "x-method-override");
  });
}

}  // namespace

Request request_of(const http1::Head& head) {
  return {.method = head.method,
          .host = head.authority.host,
          .raw_path = head.path,
          .query = head.query,
          .headers = head.headers,
          .body = {},
          .upgrades = !head.upgrade.empty()};
}

std::expected<HttpFacets, std::string_view> facets_of(const Request& request, const Options& options) {
  if (request.method == "TRACE") return std::unexpected("TRACE echoes what the gateway adds");
  auto path = read_path(request.raw_path);
  if (!path) return std::unexpected(path.error());
  if (!path->two_readings.empty() && options.paths == Paths::strict)
    return std::unexpected(path->two_readings);
  HttpFacets facets;
  facets.method = std::string(request.method);
  if (!request.host.empty()) facets.host = request.host;
  if (is_utf8(path->text))
    facets.path = std::move(path->text);
  else
    facets.path = Unknown::undecodable;
  facets.raw_path = std::string(request.raw_path);
  facets.query = read_query(request.query);
  if (headers_are_text(request.headers))
    facets.headers = header_lists(request.headers);
  else
    facets.headers = Unknown::undecodable;
  read_body(request, options, facets);
  facets.classes = classes_of(request, facets);
  return facets;
}

ActionKind kind_of(const Request& request) {
  if (request.upgrades || request.method == "CONNECT") return ActionKind::exec;
  const bool reads = request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS";
  return reads && !overrides_method(request) ? ActionKind::read : ActionKind::write;
}

}  // namespace clawpatrol::http
