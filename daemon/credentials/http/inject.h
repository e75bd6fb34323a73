// Puts a credential into a request that has been judged and recorded. What comes out is what went in but for
// the value: it is written, read again and compared before it is given back.
#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <string>

#include "daemon/credentials/http/choose.h"
#include "daemon/credentials/http/part.h"
#include "daemon/credentials/http/sigv4.h"
#include "daemon/credentials/http/value.h"

namespace clawpatrol::credentials {

struct Giving {
  const Choice& choice;
  const Value& value;
  const Asking& asking;  // the host that was verified, once more (attacks.md, 17)
  std::uint16_t default_port = 443;
};

// Changes `head` (and `body`, where the place is in there; null: it is not here). On an error neither is to
// be sent.
// What is given back signs the chunks of the body, where they are signed.
std::expected<std::optional<ChunkSigner>, Refusal> inject(const Giving& how, http::RequestHead& head,
                                                          std::string* body);

// Has a credentialed request ask for what can be looked into: no codings that cannot, and of a body that is
// asked for in part `margin` bytes more on either side. On a copy of the head, before it is sent.
std::optional<Part> limit_responses(http::RequestHead& head, std::uint64_t margin);

void wipe(http::RequestHead& head);

}  // namespace clawpatrol::credentials
