#include "daemon/credentials/http/place.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "daemon/credentials/http/base64.h"
#include "parsers/base64.h"
#include "parsers/http/target.h"
#include "parsers/http1/text.h"

namespace clawpatrol::credentials {
namespace {

using http::Field;
using http::RequestHead;
using Kind = SecretPlace::Kind;
using Counted = std::expected<std::size_t, std::string_view>;

constexpr std::string_view signature_scheme = "AWS4-HMAC-SHA256";
constexpr std::string_view signature_key = "X-Amz-Credential";

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (http1::is_letter(c) || http1::is_digit(c) || std::string_view("-._~").contains(c))
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

// As a CGI or WSGI server reads it, to which "_" is "-".
bool is_read_as(std::string_view name, std::string_view wanted) {
  std::string read(name), same(wanted);
  std::ranges::replace(read, '_', '-');
  std::ranges::replace(same, '_', '-');
  return http1::same_name(read, same);
}

// Drops the fields of this name that `rewrite` answers nothing for.
Counted rewrite_fields(RequestHead& head, std::string_view name, const Rewrite& rewrite) {
  std::size_t count = 0;
  std::erase_if(head.fields, [&](Field& field) {
    if (!is_read_as(field.name, name)) return false;
    ++count;
    auto value = rewrite(field.value);
    if (value && *value != field.value && !http1::same_name(field.name, name)) field.name = name;
    if (value) field.value = std::move(*value);
    return !value;
  });
  return count;
}

// "Basic" 1*SP base64(user ":" password); none where it is something else.
std::optional<std::string> basic_of(std::string_view value) {
  if (value.size() < 6 || !http1::same_name(value.substr(0, 6), "basic ")) return std::nullopt;
  return base64_decoded(http1::trimmed(value.substr(6)), Base64Padding::optional);
}

// Another scheme at the same place is what `rewrite` is given as it stands: it may remove it.
Counted rewrite_basic(RequestHead& head, const Rewrite& rewrite) {
  return rewrite_fields(head, "authorization", [&](std::string value) -> std::optional<std::string> {
    auto pair = basic_of(value);
    auto next = rewrite(pair ? *pair : value);
    if (!next || next == (pair ? *pair : value)) return next ? std::optional(value) : std::nullopt;
    return "Basic " + base64_encoded(*next);
  });
}

std::string form_decoded(std::string_view text) {
  std::string plain(text);
  std::ranges::replace(plain, '+', ' ');
  return http::percent_decoded(plain).value_or(plain);
}

// What servers make of a name in a query or a cookie: PHP drops spaces before it, has "_" for a space or a
// dot, and ends it at a NUL; PHP, Rails and qs take "key[]" and "key[a]" for parts of "key".
std::string_view as_variable(std::string& decoded) {
  std::string_view name = decoded;
  name.remove_prefix(std::min(name.find_first_not_of(" \t\r\n"), name.size()));
  name = name.substr(0, name.find_first_of(std::string_view("[\0", 2)));
  while (name.ends_with(' ')) name.remove_suffix(1);
  const std::size_t at = static_cast<std::size_t>(name.data() - decoded.data());
  for (char& c : std::span(decoded).subspan(at, name.size()))
    if (c == ' ' || c == '.') c = '_';
  return name;
}

// A name that is looked for among many, whatever case it is in.
class Variable {
 public:
  explicit Variable(std::string_view name) : name_(name) {
    std::string decoded(name);
    variable_ = as_variable(decoded);
  }
  bool is_read_from(std::string_view written) const {
    if (written.size() < std::min(name_.size(), variable_.size())) return false;  // which reading only cuts
    std::string read = form_decoded(written);
    if (http1::same_name(read, name_)) return true;
    return !name_.contains('[') && http1::same_name(as_variable(read), variable_);
  }

 private:
  std::string_view name_;
  std::string variable_;
};

Counted rewrite_query(RequestHead& head, std::string_view key, const Rewrite& rewrite) {
  const std::size_t mark = head.target.find('?');
  if (mark == std::string::npos) return 0;
  const Variable wanted_name(key);
  std::size_t count = 0;
  std::string next;
  std::string_view rest = std::string_view(head.target).substr(mark + 1);
  for (bool more = true; more;) {
    const std::size_t end = rest.find('&');
    const std::string_view pair = rest.substr(0, end);
    more = end != std::string_view::npos;
    rest.remove_prefix(more ? end + 1 : rest.size());
    const std::size_t equals = std::min(pair.find('='), pair.size());
    std::string kept(pair);
    // What stands behind a ";" is another pair to some servers.
    for (std::size_t i = pair.find(';'); i != std::string_view::npos; i = pair.find(';', i + 1)) {
      if (wanted_name.is_read_from(pair.substr(i + 1, pair.find_first_of("=;", i + 1) - i - 1)))
        return std::unexpected("a ';' in the query, before the credential's key");
    }
    if (wanted_name.is_read_from(pair.substr(0, equals))) {
      ++count;
      const std::string value = form_decoded(pair.substr(std::min(equals + 1, pair.size())));
      auto wanted = rewrite(value);
      if (!wanted) continue;
      if (*wanted != value) kept = fmt::format("{}={}", percent_encoded(key), percent_encoded(*wanted));
    }
    if (!next.empty()) next += '&';
    next += kept;
  }
  if (count > 0) head.target = head.target.substr(0, mark) + (next.empty() ? "" : "?" + next);
  return count;
}

// name=value pairs of one Cookie field. Servers differ in what they make of spaces and quotes.
std::string rewritten_cookies(std::string_view cookies, std::string_view name, const Rewrite& rewrite,
                              std::size_t& count) {
  const Variable wanted_name(name);
  std::string next;
  for (bool more = true; more;) {
    const std::size_t end = cookies.find(';');
    const std::string_view pair = http1::trimmed(cookies.substr(0, end));
    more = end != std::string_view::npos;
    cookies.remove_prefix(more ? end + 1 : cookies.size());
    const std::size_t equals = std::min(pair.find('='), pair.size());
    std::string kept(pair);
    if (wanted_name.is_read_from(http1::trimmed(pair.substr(0, equals)))) {
      ++count;
      const std::string value(http1::trimmed(pair.substr(std::min(equals + 1, pair.size()))));
      auto wanted = rewrite(value);
      if (!wanted) continue;
      if (*wanted != value) kept = fmt::format("{}={}", name, *wanted);
    }
    if (kept.empty()) continue;
    if (!next.empty()) next += "; ";
    next += kept;
  }
  return next;
}

Counted rewrite_cookie(RequestHead& head, std::string_view name, const Rewrite& rewrite) {
  std::size_t count = 0;
  std::erase_if(head.fields, [&](Field& field) {
    if (!http1::same_name(field.name, "cookie")) return false;
    const std::size_t before = count;
    std::string next = rewritten_cookies(field.value, name, rewrite, count);
    if (count > before) field.value = std::move(next);
    return field.value.empty();
  });
  return count;
}

// KEYID/20250101/us-east-1/s3/aws4_request: the id is what stands before the first "/".
std::optional<std::string> rewritten_scope(std::string_view scope, const Rewrite& rewrite) {
  const std::size_t slash = std::min(scope.find('/'), scope.size());
  auto id = rewrite(std::string(scope.substr(0, slash)));
  return id ? std::optional(*id + std::string(scope.substr(slash))) : std::nullopt;
}

Counted rewrite_signature(RequestHead& head, const Rewrite& rewrite) {
  std::size_t count = 0;
  static_cast<void>(
      rewrite_fields(head, "authorization", [&](std::string value) -> std::optional<std::string> {
        constexpr std::string_view mark = "Credential=";
        const std::size_t at = value.find(mark);
        if (!value.starts_with(signature_scheme) || at == std::string::npos) return value;
        ++count;
        const std::size_t end = std::min(value.find_first_of(", ", at), value.size());
        auto scope = rewritten_scope(std::string_view(value).substr(at + mark.size(), end - at - mark.size()),
                                     rewrite);
        if (!scope) return std::nullopt;
        return value.substr(0, at + mark.size()) + *scope + value.substr(end);
      }));
  auto in_query =
      rewrite_query(head, signature_key, [&](std::string value) { return rewritten_scope(value, rewrite); });
  if (!in_query) return in_query;
  return count + *in_query;
}

}  // namespace

Counted rewrite_place(RequestHead& head, const SecretPlace& place, const Rewrite& rewrite) {
  switch (place.kind) {
    case Kind::none:
    case Kind::json: return 0;
    case Kind::header: return rewrite_fields(head, place.name, rewrite);
    case Kind::basic: return rewrite_basic(head, rewrite);
    case Kind::query: return rewrite_query(head, place.name, rewrite);
    case Kind::cookie: return rewrite_cookie(head, place.name, rewrite);
    case Kind::sigv4: return rewrite_signature(head, rewrite);
  }
  __builtin_unreachable();
}

void add_at_place(RequestHead& head, const SecretPlace& place, std::string_view value) {
  const bool query = head.target.contains('?');
  switch (place.kind) {
    case Kind::header: head.fields.push_back({place.name, std::string(value)}); return;
    case Kind::basic: head.fields.push_back({"authorization", "Basic " + base64_encoded(value)}); return;
    case Kind::cookie: head.fields.push_back({"cookie", fmt::format("{}={}", place.name, value)}); return;
    case Kind::query:
      head.target += query && !head.target.ends_with('?') ? "&" : query ? "" : "?";
      head.target += percent_encoded(place.name) + "=" + percent_encoded(value);
      return;
    case Kind::none:
    case Kind::json:
    case Kind::sigv4: return;
  }
}

std::string json_escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::vector<std::string> written_at(const SecretPlace& place, std::string_view value) {
  std::vector<std::string> forms;
  if (place.kind == Kind::query || place.kind == Kind::sigv4) forms.push_back(percent_encoded(value));
  if (place.kind == Kind::json) forms.push_back(json_escaped(value));
  if (place.kind != Kind::basic) return forms;
  // Behind a user of any length; of the digits those that are the value's alone.
  for (std::size_t before = 0; before < 3; ++before) {
    const std::size_t begin = (before * 8 + 5) / 6, end = (before + value.size()) * 8 / 6;
    forms.push_back(base64_encoded(std::string(before, '\0').append(value)).substr(begin, end - begin));
  }
  return forms;
}

std::string_view unusable_at(const SecretPlace& place, std::string_view value) {
  const bool control = std::ranges::any_of(value, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (control) return "it has a control byte in it";
  if (value.starts_with(' ') || value.ends_with(' ')) return "it begins or ends with a space";
  if (place.kind == Kind::cookie && value.find_first_of(" \",;\\") != std::string_view::npos)
    return "a cookie has no space, quote, comma, semicolon or backslash in it";
  return "";
}

}  // namespace clawpatrol::credentials
