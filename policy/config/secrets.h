// Secrets that stand where they do not belong must not be shown by the very message that says so.
#pragma once

#include <string_view>

#include "policy/config/document.h"

namespace clawpatrol::config {

// Whether a key of this name would hold a secret: password, token, private_key, ...
bool is_secret_name(std::string_view key);

// Hides the values of such keys, and URLs with a password in them, from every line that is shown.
void hide_secrets(Source& source, const Node& node);

// The same for a text that is not TOML, where only its lines are known.
void hide_secrets_in_text(Source& source);

}  // namespace clawpatrol::config
