#include "parsers/http/message.h"

#include <algorithm>
#include <array>

#include "parsers/http1/framing.h"
#include "parsers/http1/text.h"

namespace clawpatrol::http {
namespace {

using http1::same_name;

constexpr std::array<std::string_view, 6> of_connection = {
    "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "http2-settings"};

// What the members of a head say.
constexpr std::array<std::string_view, 3> said_elsewhere = {"host", "content-length", "expect"};

template <std::size_t n>
bool is_any_of(std::string_view name, const std::array<std::string_view, n>& names) {
  return std::ranges::any_of(names, [name](std::string_view other) { return same_name(name, other); });
}

std::vector<std::string_view> named_by_connection(const std::vector<http1::Header>& headers) {
  std::vector<std::string_view> names;
  for (const http1::Header& header : headers) {
    if (!same_name(header.name, "connection")) continue;
    http1::each_member(header.value, [&](std::string_view name) {
      names.push_back(name);
      return true;
    });
  }
  return names;
}

Fields handed_on(const std::vector<http1::Header>& headers) {
  const auto named = named_by_connection(headers);
  Fields fields;
  fields.reserve(headers.size());
  for (const http1::Header& header : headers) {
    const bool is_te = same_name(header.name, "te");
    if (is_te && !same_name(header.value, "trailers")) continue;
    const bool is_named =
        std::ranges::any_of(named, [&](std::string_view name) { return same_name(name, header.name); });
    if (belongs_to_connection(header.name) || (is_named && !is_te)) continue;
    if (is_any_of(header.name, said_elsewhere)) continue;
    fields.push_back({std::string(header.name), std::string(header.value)});
  }
  return fields;
}

// Path and query of a target that may be absolute.
std::string origin_form(const http1::Head& head) {
  if (head.target.starts_with('/') || head.target == "*") return std::string(head.target);
  const std::size_t mark = head.target.find('?');
  std::string target(head.path);
  if (mark != std::string_view::npos) target += head.target.substr(mark);
  return target;
}

}  // namespace

bool belongs_to_connection(std::string_view name) {
  return is_any_of(name, of_connection);
}

std::string_view value_of(const Fields& fields, std::string_view name) {
  for (const Field& field : fields)
    if (same_name(field.name, name)) return field.value;
  return {};
}

RequestHead request_head(const http1::Head& head) {
  RequestHead made;
  made.method = std::string(head.method);
  made.target = origin_form(head);
  made.authority = head.authority;
  made.fields = handed_on(head.headers);
  made.has_body = head.framing != http1::Framing::none;
  if (head.framing == http1::Framing::length) made.content_length = head.content_length;
  made.expects_continue = head.expects_continue;
  made.upgrade = http1::lower_case(head.upgrade);
  return made;
}

ResponseHead response_head(const http1::ResponseStart& start, http1::Asked asked) {
  ResponseHead made;
  made.status = start.status;
  made.fields = handed_on(start.headers);
  const bool never = start.status < 200 || start.status == 204 || start.status == 304;
  made.has_body = !never && asked != http1::Asked::head;
  made.content_length = start.content_length;
  made.upgrade = http1::lower_case(start.upgrade);
  return made;
}

Fields trailers_of(const http1::End& end) {
  Fields fields;
  for (const http1::Header& trailer : end.trailers)
    if (!http1::matters_in_trailers(trailer.name) && !belongs_to_connection(trailer.name))
      fields.push_back({std::string(trailer.name), std::string(trailer.value)});
  return fields;
}

}  // namespace clawpatrol::http
