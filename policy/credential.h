// What kinds of credentials there are, and where in a request the secret of each stands.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace clawpatrol {

enum class CredentialType : std::uint8_t {
  postgres,
  bearer,
  basic,
  header,
  cookie,
  query,
  mtls,
  aws,
  oauth2,
  github_app,
  anthropic,
  openai,
  gemini,
};
std::string_view name_of(CredentialType type);

// The one place of a request where a secret is put, and where its placeholder may stand.
struct SecretPlace {
  enum class Kind : std::uint8_t {
    none,    // not in a request: postgres, mtls
    header,  // the field `name`
    basic,   // in the user:password of `Authorization: Basic`
    query,   // the value of the key `name`
    cookie,  // the value of the cookie `name`
    json,    // the string in the body that the JSON pointer `name` names
    sigv4,   // the key id of an AWS signature, in a header or in the query
  };
  Kind kind = Kind::none;
  std::string name;  // of a header in lower case
  bool operator==(const SecretPlace&) const = default;
};

// As it is written: "header:x-api-key", "basic", "json:/auth/key".
std::string text_of(const SecretPlace& place);

// What a type is where the configuration does not say otherwise.
struct CredentialDefaults {
  CredentialType type;
  SecretPlace::Kind kind;
  std::string_view name;                      // of the place
  std::string_view prefix;                    // before the secret, in a header
  std::array<std::string_view, 2> variables;  // that its tools read; "" for none
};
const CredentialDefaults& defaults_of(CredentialType type);

enum class OAuthGrant : std::uint8_t { client_credentials, refresh_token };
enum class ClientAuth : std::uint8_t { basic, body };  // RFC 6749, 2.3.1

// How tokens are had, for types that do not send what is stored: oauth2 and github_app.
struct TokenSource {
  std::string url;        // https, of the token endpoint; for github_app of the API
  std::string host = {};  // of the URL, and its path, which begins with '/'
  std::uint16_t port = 443;
  std::string path = {};
  std::string ca = {};  // in PEM, what vouches for that server; "": the system's roots
  OAuthGrant grant = OAuthGrant::client_credentials;
  ClientAuth client_auth = ClientAuth::basic;
  std::string client_id = {};  // for github_app: the app's
  std::vector<std::string> scopes = {};
  std::string audience = {};
  std::string installation_id = {};
  bool operator==(const TokenSource&) const = default;
};

// How the gateway puts a secret into a request: whatever the agent sent there, or only where the agent's
// placeholder stands.
enum class Injection : std::uint8_t { slot, placeholder };

}  // namespace clawpatrol
