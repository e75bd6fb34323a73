// What stands at a credential's place in a head, and putting something else there.
#pragma once

#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/http/message.h"
#include "policy/credential.h"

namespace clawpatrol::credentials {

// Given what stands there, decoded as the place has it (the user:password of Basic, the value of a query key
// without its percent signs, the key id of a signature); says what is to stand there, or nothing, which
// removes it. Where it gives back what it was given, not a byte changes.
using Rewrite = std::function<std::optional<std::string>(std::string value)>;

// Calls `rewrite` for every occurrence, in order; returns how many there are. The error, a literal, is of
// what two readers could read in two ways.
std::expected<std::size_t, std::string_view> rewrite_place(http::RequestHead& head, const SecretPlace& place,
                                                           const Rewrite& rewrite);

// One more, with this value, where there is none. Not for sigv4 and json.
void add_at_place(http::RequestHead& head, const SecretPlace& place, std::string_view value);

// As a string of JSON has it, without its quotes; of text without control bytes.
std::string json_escaped(std::string_view text);

// What stands in a request where this value has been put there, and is not the value itself. Secrets.
std::vector<std::string> written_at(const SecretPlace& place, std::string_view value);

// Whether a value can stand there at all; why not, a literal, or "".
std::string_view unusable_at(const SecretPlace& place, std::string_view value);

}  // namespace clawpatrol::credentials
