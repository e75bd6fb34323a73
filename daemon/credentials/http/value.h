// What is stored under a credential's name, read as its type has it. Every part is in locked pages.
//
//   bearer, header, cookie, query, anthropic, openai, gemini   the text itself
//   basic         user:password, or the password where the configuration names the user
//   aws           {"access_key_id": "...", "secret_access_key": "...", "session_token": "..."}
//   mtls          {"certificate": "PEM, the chain", "private_key": "PEM"}
//   github_app    {"private_key": "PEM"}
//   oauth2        the client's secret, or {"client_secret": "...", "refresh_token": "..."}
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/credentials/http/patterns.h"
#include "daemon/credentials/store.h"
#include "policy/policy.h"

namespace clawpatrol::credentials {

struct Value {
  std::uint64_t version = 0;
  std::uint64_t token = 0;  // which of those that were fetched; 0: it is what was stored
  Secret secret;         // what is sent, or signed with; of basic the password; of oauth2 the client's secret
  Secret user;           // basic
  Secret key_id;         // aws
  Secret session_token;  // aws
  Secret certificate;    // mtls
  Secret private_key;    // mtls, github_app
  Secret refresh_token;  // oauth2
  // Of all that an upstream may learn from a request, ready to be looked for in its responses. Null: there is
  // nothing, or it was not made ready.
  std::shared_ptr<const Patterns> patterns;
};

// The error says what is wrong with it, and nothing of what is in it.
std::expected<Value, std::string> read_value(const CredentialConfig& config, std::string_view stored);

// What a credential sends at last, where that is not what is stored: a token that oauth2 or github_app gave,
// and the refresh token that came with it, if one did. `version` is of what is stored.
std::expected<Value, std::string> token_value(const CredentialConfig& config, std::uint64_t version,
                                              Secret token, Secret refresh_token);

// A value that may have been sent, of a credential.
struct Sent {
  const CredentialConfig* config;
  std::shared_ptr<const Value> value;
};

// Values that are in use, so that a request costs no file. Any thread.
class Values {
 public:
  // The value as it is set now.
  std::expected<std::shared_ptr<const Value>, Error> get(const Store& store, const CredentialConfig& config);

  // What an upstream may have learned of any of these, and of `tokens`, in one look; null: nothing. One whose
  // value cannot be read has not been sent either, and is left out.
  std::shared_ptr<const Patterns> patterns(const Store& store,
                                           const std::vector<const CredentialConfig*>& credentials,
                                           const std::vector<Sent>& tokens = {});

 private:
  struct Kept {
    CredentialType type;
    std::string user, placeholder;
    OAuthGrant grant;
    std::shared_ptr<const Value> value;
  };
  struct Together {
    std::vector<std::shared_ptr<const Value>> values;  // each that was read
    std::shared_ptr<const Patterns> patterns;
  };
  std::mutex mutex_;
  std::map<std::string, Kept, std::less<>> kept_;
  std::map<std::string, Together> together_;  // by the names and placeholders of those that were asked for
};

}  // namespace clawpatrol::credentials
