#include "policy/credential.h"

#include <algorithm>
#include <iterator>

namespace clawpatrol {
namespace {

using Kind = SecretPlace::Kind;

constexpr CredentialDefaults all_defaults[] = {
    {CredentialType::postgres, Kind::none, "", "", {}},
    {CredentialType::bearer, Kind::header, "authorization", "Bearer ", {}},
    {CredentialType::basic, Kind::basic, "", "", {}},
    {CredentialType::header, Kind::header, "", "", {}},
    {CredentialType::cookie, Kind::cookie, "", "", {}},
    {CredentialType::query, Kind::query, "", "", {}},
    {CredentialType::mtls, Kind::none, "", "", {}},
    {CredentialType::aws, Kind::sigv4, "", "", {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}},
    {CredentialType::oauth2, Kind::header, "authorization", "Bearer ", {}},
    {CredentialType::github_app, Kind::header, "authorization", "Bearer ", {"GITHUB_TOKEN", "GH_TOKEN"}},
    {CredentialType::anthropic, Kind::header, "x-api-key", "", {"ANTHROPIC_API_KEY"}},
    {CredentialType::openai, Kind::header, "authorization", "Bearer ", {"OPENAI_API_KEY"}},
    {CredentialType::gemini, Kind::header, "x-goog-api-key", "", {"GEMINI_API_KEY", "GOOGLE_API_KEY"}},
};

}  // namespace

std::string_view name_of(CredentialType type) {
  switch (type) {
    case CredentialType::postgres: return "postgres";
    case CredentialType::bearer: return "bearer";
    case CredentialType::basic: return "basic";
    case CredentialType::header: return "header";
    case CredentialType::cookie: return "cookie";
    case CredentialType::query: return "query";
    case CredentialType::mtls: return "mtls";
    case CredentialType::aws: return "aws";
    case CredentialType::oauth2: return "oauth2";
    case CredentialType::github_app: return "github_app";
    case CredentialType::anthropic: return "anthropic";
    case CredentialType::openai: return "openai";
    case CredentialType::gemini: return "gemini";
  }
  __builtin_unreachable();
}

std::string text_of(const SecretPlace& place) {
  switch (place.kind) {
    case Kind::none: return "";
    case Kind::basic: return "basic";
    case Kind::sigv4: return "sigv4";
    case Kind::header: return "header:" + place.name;
    case Kind::query: return "query:" + place.name;
    case Kind::cookie: return "cookie:" + place.name;
    case Kind::json: return "json:" + place.name;
  }
  __builtin_unreachable();
}

const CredentialDefaults& defaults_of(CredentialType type) {
  return *std::ranges::find(all_defaults, type, &CredentialDefaults::type);
}

}  // namespace clawpatrol
