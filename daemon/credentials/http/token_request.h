// How a token is asked for, and what the answer says: without sockets.
//
//   oauth2      RFC 6749: POST url, grant_type=client_credentials (4.4) or refresh_token (6)
//   github_app  POST url/app/installations/ID/access_tokens, Authorization: Bearer JWT
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "daemon/credentials/http/value.h"
#include "parsers/http/message.h"

namespace clawpatrol::credentials {

inline constexpr std::size_t longest_token_answer = 64 << 10;

// What is sent: the head, one behind the other with the body, in locked pages.
struct TokenRequest {
  Secret bytes;
};

// `stored` is what the operator set; `refresh_token` what a server gave in place of the one in there, "":
// none did. The error is for an operator.
std::expected<TokenRequest, std::string> compose_token_request(const CredentialConfig& config,
                                                               const Value& stored,
                                                               std::string_view refresh_token,
                                                               std::int64_t now_unix);

struct TokenAnswer {
  int status = 0;
  std::string_view content_encoding, date;  // of the fields of these names; "": none
  std::string_view body;
};

struct ObtainedToken {
  Secret token;
  std::chrono::seconds lifetime{0};  // from when it was asked for; at least 1
  Secret refresh_token;              // in place of the one that was shown; empty: that one stays
};

// What the answer gives. The error is for an operator, and holds nothing that the server chose but an error
// code of RFC 6749, 5.2, in its narrow alphabet. `now_unix` stands in for the server's own clock where it
// says none.
std::expected<ObtainedToken, std::string> read_token_answer(const CredentialConfig& config,
                                                            const TokenAnswer& answer, std::int64_t now_unix);

}  // namespace clawpatrol::credentials
