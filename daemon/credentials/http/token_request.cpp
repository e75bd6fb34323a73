#include "daemon/credentials/http/token_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <optional>

#include "daemon/credentials/http/base64.h"
#include "daemon/credentials/http/jwt.h"
#include "daemon/credentials/http/token_life.h"
#include "daemon/credentials/wiped_frees.h"
#include "parsers/http1/text.h"
#include "parsers/http1/write.h"
#include "parsers/json.h"

namespace clawpatrol::credentials {
namespace {

using http::RequestHead;
using Wrong = std::unexpected<std::string>;

// GitHub takes 600 s at most, and a clock that is a minute ahead of its own.
constexpr std::int64_t claims_time_s = 540, claims_before_s = 60;
// Where the server does not say (RFC 6749, 5.1: "expires_in" is only recommended).
constexpr std::chrono::seconds unsaid_lifetime = std::chrono::hours(1);
constexpr std::size_t longest_error_code = 64;

// application/x-www-form-urlencoded (RFC 6749, appendix B).
void append_form(std::string& out, std::string_view text) {
  static constexpr char digits[] = "0123456789ABCDEF";
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (http1::is_letter(c) || http1::is_digit(c) || std::string_view("-._*").contains(c))
      out += c;
    else if (c == ' ')
      out += '+';
    else
      out.append(1, '%').append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
  }
}

void append_pair(std::string& out, std::string_view name, std::string_view value) {
  if (!out.empty()) out += '&';
  out.append(name).append("=");
  append_form(out, value);
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out.append(out.empty() ? "" : " ").append(word);
  return out;
}

// In the form of RFC 6749, 2.3.1: both halves encoded as a form before they become a pair.
std::string basic_pair(const TokenSource& source, const Secret& secret) {
  std::string pair;
  append_form(pair, source.client_id);
  pair += ':';
  append_form(pair, secret.reveal());
  return "Basic " + base64_encoded(pair);
}

void compose_form(const TokenSource& source, const Value& stored, std::string_view refresh_token,
                  std::string& form) {
  const bool refresh = source.grant == OAuthGrant::refresh_token;
  append_pair(form, "grant_type", refresh ? "refresh_token" : "client_credentials");
  if (refresh) append_pair(form, "refresh_token", refresh_token);
  if (!source.scopes.empty()) append_pair(form, "scope", joined(source.scopes));
  if (!source.audience.empty()) append_pair(form, "audience", source.audience);
  const bool in_body = source.client_auth == ClientAuth::body;
  // A client without a secret says who it is in the body (RFC 6749, 3.2.1).
  if (in_body || stored.secret.empty()) append_pair(form, "client_id", source.client_id);
  if (in_body && !stored.secret.empty()) append_pair(form, "client_secret", stored.secret.reveal());
}

std::expected<void, std::string> compose_app(const TokenSource& source, const Value& stored,
                                             std::int64_t now_unix, RequestHead& head) {
  auto claims = sign_claims({.issuer = source.client_id,
                             .issued_unix = now_unix - claims_before_s,
                             .ends_unix = now_unix + claims_time_s},
                            stored.private_key.reveal());
  if (!claims) return std::unexpected(claims.error());
  if (head.target.ends_with('/')) head.target.pop_back();
  head.target += fmt::format("/app/installations/{}/access_tokens", source.installation_id);
  head.fields.push_back({"Accept", "application/vnd.github+json"});
  head.fields.push_back({"X-GitHub-Api-Version", "2022-11-28"});
  head.fields.push_back({"Authorization", "Bearer " + std::string(claims->reveal())});
  return {};
}

std::optional<std::int64_t> unix_of(std::string_view text, const char* form) {
  std::tm parts{};
  const std::string whole(text);
  const char* end = ::strptime(whole.c_str(), form, &parts);
  if (!end || end != whole.c_str() + whole.size()) return std::nullopt;
  return ::timegm(&parts);
}

// The code alone: a description is free text, which could say anything, and a secret too.
std::string error_code(std::string_view body) {
  auto read = read_json_document(body);
  if (!read) return "";
  const Document* member = read->find("error");
  const std::string* code = member ? member->text() : nullptr;
  auto narrow = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  const bool plain =
      code && !code->empty() && code->size() <= longest_error_code && std::ranges::all_of(*code, narrow);
  return plain ? *code : "";
}

std::string refusal(const CredentialConfig& config, const TokenAnswer& answer) {
  if (answer.status >= 300 && answer.status < 400)
    return fmt::format("the server sends it elsewhere ({}), where no secret is shown: `url` is the last one",
                       answer.status);
  if (config.type == CredentialType::github_app && answer.status == 401)
    return "the server does not accept what the app's key signed (401): its key, `client_id` and the clock "
           "here";
  if (config.type == CredentialType::github_app && answer.status == 404)
    return "the server knows no such installation of this app (404)";
  const std::string code = config.type == CredentialType::oauth2 ? error_code(answer.body) : "";
  if (!code.empty()) return fmt::format("the server refuses: {} ({})", code, answer.status);
  return fmt::format("the server answers with status {}", answer.status);
}

std::expected<Secret, std::string> text_member(const Document& answer, std::string_view name) {
  const Document* member = answer.find(name);
  if (!member || std::holds_alternative<std::monostate>(member->value)) return Secret();
  const std::string* text = member->text();
  if (!text) return Wrong(fmt::format("the answer's '{}' is no string", name));
  // VSCHAR (RFC 6749, appendix A): what stands in a request, and is told from other text in a response.
  const bool plain = std::ranges::all_of(*text, [](char c) { return c > 0x20 && c < 0x7f; });
  if (!plain || text->size() < shortest_needle || text->size() > longest_needle)
    return Wrong(fmt::format("the answer's '{}' is no token: {} to {} printable bytes", name, shortest_needle,
                             longest_needle));
  return Secret(*text);
}

std::expected<std::chrono::seconds, std::string> bounded(std::int64_t seconds) {
  if (seconds <= 0) return Wrong("the token that the answer gives has ended already");
  return std::min(std::chrono::seconds(std::min<std::int64_t>(seconds, longest_token_lifetime.count())),
                  longest_token_lifetime);
}

// A number, or its digits in a string, as some servers have it.
std::expected<std::chrono::seconds, std::string> lifetime_of(const Document& answer) {
  const Document* member = answer.find("expires_in");
  if (!member || std::holds_alternative<std::monostate>(member->value)) return unsaid_lifetime;
  if (const auto* number = std::get_if<std::int64_t>(&member->value)) return bounded(*number);
  const std::string* digits = member->text();
  const bool is_number =
      digits && !digits->empty() && digits->size() < 16 && std::ranges::all_of(*digits, http1::is_digit);
  if (!is_number) return Wrong("the answer's 'expires_in' is no number of seconds");
  return bounded(std::stoll(*digits));
}

// By the clock of who says it, so that it does not matter how far ours is off.
std::expected<std::chrono::seconds, std::string> lifetime_until(const Document& answer, std::string_view date,
                                                                std::int64_t now_unix) {
  const Document* member = answer.find("expires_at");
  const std::string* text = member ? member->text() : nullptr;
  const auto ends = text ? unix_of(*text, "%Y-%m-%dT%H:%M:%SZ") : std::nullopt;
  if (!ends) return Wrong("the answer's 'expires_at' is no time");
  return bounded(*ends - unix_of(date, "%a, %d %b %Y %H:%M:%S GMT").value_or(now_unix));
}

std::expected<ObtainedToken, std::string> read_grant(const Document& answer) {
  const Document* type = answer.find("token_type");
  if (!type || !type->text() || !http1::same_name(*type->text(), "bearer"))
    return Wrong("the answer's 'token_type' is not bearer, and no other is known here");
  auto token = text_member(answer, "access_token");
  if (!token) return std::unexpected(token.error());
  if (token->empty()) return Wrong("the answer has no 'access_token'");
  auto refresh = text_member(answer, "refresh_token");
  if (!refresh) return std::unexpected(refresh.error());
  auto lifetime = lifetime_of(answer);
  if (!lifetime) return std::unexpected(lifetime.error());
  return ObtainedToken{
      .token = std::move(*token), .lifetime = *lifetime, .refresh_token = std::move(*refresh)};
}

std::expected<ObtainedToken, std::string> read_app_token(const Document& document, const TokenAnswer& answer,
                                                         std::int64_t now_unix) {
  auto token = text_member(document, "token");
  if (!token) return std::unexpected(token.error());
  if (token->empty()) return Wrong("the answer has no 'token'");
  auto lifetime = lifetime_until(document, answer.date, now_unix);
  if (!lifetime) return std::unexpected(lifetime.error());
  return ObtainedToken{.token = std::move(*token), .lifetime = *lifetime, .refresh_token = {}};
}

}  // namespace

std::expected<TokenRequest, std::string> compose_token_request(const CredentialConfig& config,
                                                               const Value& stored,
                                                               std::string_view refresh_token,
                                                               std::int64_t now_unix) {
  const WipedFrees wiped;
  const TokenSource& source = *config.tokens;
  const bool app = config.type == CredentialType::github_app;
  RequestHead head{.method = "POST", .target = source.path, .authority = {source.host, source.port}};
  head.has_body = true;
  head.fields = {{"User-Agent", "clawpatrol"}, {"Accept-Encoding", "identity"}, {"Connection", "close"}};
  if (refresh_token.empty()) refresh_token = stored.refresh_token.reveal();
  std::string form;
  if (app) {
    if (auto composed = compose_app(source, stored, now_unix, head); !composed)
      return Wrong(composed.error());
  } else {
    compose_form(source, stored, refresh_token, form);
    head.fields.push_back({"Accept", "application/json"});
    head.fields.push_back({"Content-Type", "application/x-www-form-urlencoded"});
    if (source.client_auth == ClientAuth::basic && !stored.secret.empty())
      head.fields.push_back({"Authorization", basic_pair(source, stored.secret)});
  }
  head.content_length = form.size();
  std::string bytes;
  auto written = http1::append_request(bytes, head, default_port(EndpointType::https));
  if (!written) return Wrong(std::string(written.error()));
  bytes += form;
  return TokenRequest{Secret(bytes)};
}

std::expected<ObtainedToken, std::string> read_token_answer(const CredentialConfig& config,
                                                            const TokenAnswer& answer,
                                                            std::int64_t now_unix) {
  const WipedFrees wiped;
  const bool app = config.type == CredentialType::github_app;
  if (answer.status != 200 && !(app && answer.status == 201)) return Wrong(refusal(config, answer));
  if (!answer.content_encoding.empty() && !http1::same_name(answer.content_encoding, "identity"))
    return Wrong("the answer is compressed, which was not asked for");
  auto read = read_json_document(answer.body);
  if (!read) return Wrong("the answer is not one JSON document");
  if (!read->members()) return Wrong("the answer is no JSON object");
  return app ? read_app_token(*read, answer, now_unix) : read_grant(*read);
}

}  // namespace clawpatrol::credentials
