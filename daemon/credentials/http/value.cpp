#include "daemon/credentials/http/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <vector>

#include "daemon/credentials/http/jwt.h"
#include "daemon/credentials/http/place.h"
#include "daemon/credentials/http/unescape.h"
#include "daemon/credentials/wiped_frees.h"
#include "parsers/http1/text.h"

namespace clawpatrol::credentials {
namespace {

using Type = CredentialType;
using Read = std::expected<Value, std::string>;

struct Part {
  std::string_view name;
  Secret* into;
  bool required = true;
};

// A flat JSON object of strings, read straight into locked pages: a general parser would leave copies behind.
class Object {
 public:
  explicit Object(std::string_view text) : text_(text) {}

  std::expected<void, std::string> read(std::span<const Part> parts) {
    if (!take('{')) return wrong();
    for (bool first = true; !take('}'); first = false) {
      if (!first && !take(',')) return wrong();
      auto name = string();
      if (!name || !take(':')) return wrong();
      auto value = string();
      if (!value) return wrong();
      auto part = std::ranges::find(parts, name->reveal(), &Part::name);
      if (part == parts.end()) return std::unexpected("it has a part that this type does not have");
      if (!part->into->empty()) return std::unexpected(fmt::format("its '{}' stands twice", part->name));
      *part->into = std::move(*value);
    }
    if (at_ != text_.size()) return wrong();
    for (const Part& part : parts)
      if (part.required && part.into->empty())
        return std::unexpected(fmt::format("it has no '{}'", part.name));
    return {};
  }

 private:
  static std::unexpected<std::string> wrong() {
    return std::unexpected(std::string("it is not a JSON object of strings"));
  }

  void skip_spaces() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").contains(text_[at_])) ++at_;
  }
  bool take(char c) {
    skip_spaces();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    skip_spaces();
    return true;
  }

  // Escapes of one byte alone: a secret, and PEM, need no others.
  std::optional<Secret> string() {
    if (at_ == text_.size() || text_[at_] != '"') return std::nullopt;
    Secret room(text_.size());
    std::size_t size = 0;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      char c = text_[at_];
      if (c == '\\') {
        auto unescaped = escape();
        if (!unescaped) return std::nullopt;
        c = *unescaped;
      }
      room.writable()[size++] = c;
    }
    if (at_ == text_.size()) return std::nullopt;
    ++at_;
    skip_spaces();
    return Secret(room.reveal().substr(0, size));
  }

  std::optional<char> escape() {
    constexpr std::string_view written = "nrt\"\\/", meant = "\n\r\t\"\\/";
    if (++at_ == text_.size()) return std::nullopt;
    if (text_[at_] == 'u') return four_digits();
    const std::size_t known = written.find(text_[at_]);
    return known == std::string_view::npos ? std::nullopt : std::optional(meant[known]);
  }

  std::optional<char> four_digits() {
    int code = 0;
    for (int i = 0; i < 4; ++i) {
      const int digit = ++at_ < text_.size() ? http1::hex_digit(text_[at_]) : -1;
      if (digit < 0) return std::nullopt;
      code = code * 16 + digit;
    }
    return code < 0x80 ? std::optional(static_cast<char>(code)) : std::nullopt;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::expected<void, std::string> read_parts(const CredentialConfig& config, std::string_view stored,
                                            Value& value) {
  const bool object = stored.starts_with('{');
  switch (config.type) {
    case Type::aws: {
      const Part parts[] = {{"access_key_id", &value.key_id},
                            {"secret_access_key", &value.secret},
                            {"session_token", &value.session_token, false}};
      return Object(stored).read(parts);
    }
    case Type::mtls: {
      const Part parts[] = {{"certificate", &value.certificate}, {"private_key", &value.private_key}};
      return Object(stored).read(parts);
    }
    case Type::github_app: {
      const Part parts[] = {{"private_key", &value.private_key}};
      if (auto read = Object(stored).read(parts); !read) return read;
      auto why = objection_to_rsa_key(value.private_key.reveal());
      if (!why.empty()) return std::unexpected(std::move(why));
      return {};
    }
    case Type::oauth2: {
      const bool refresh = config.tokens && config.tokens->grant == OAuthGrant::refresh_token;
      const Part parts[] = {{"client_secret", &value.secret, !refresh},
                            {"refresh_token", &value.refresh_token, refresh}};
      if (object || refresh) return Object(stored).read(parts);
      value.secret = Secret(stored);
      return {};
    }
    case Type::basic: {
      const std::size_t colon = stored.find(':');
      if (!config.user.empty()) {
        value.user = Secret(std::string_view(config.user));
        value.secret = Secret(stored);
      } else if (colon == std::string_view::npos) {
        return std::unexpected("it is not user:password (or name the 'user' in the configuration)");
      } else {
        value.user = Secret(stored.substr(0, colon));
        value.secret = Secret(stored.substr(colon + 1));
      }
      return {};
    }
    default: value.secret = Secret(stored); return {};
  }
}

// What may not be a part of a request, or could not be told from other text in a response.
std::expected<void, std::string> check_sent(const CredentialConfig& config, const Value& value) {
  for (const Secret* part : {&value.secret, &value.session_token, &value.key_id, &value.user}) {
    if (auto why = unusable_at(config.place, part->reveal()); !part->empty() && !why.empty())
      return std::unexpected(std::string(why));
  }
  const bool sends =
      config.type != Type::mtls && config.type != Type::github_app && value.refresh_token.empty();
  if (sends && value.secret.reveal().size() < shortest_needle)
    return std::unexpected(fmt::format(
        "a secret of less than {} bytes cannot be told from other text in a response", shortest_needle));
  for (const Secret* part : {&value.secret, &value.session_token, &value.refresh_token})
    if (part->reveal().size() > longest_needle) return std::unexpected("a secret is at most 8 KiB long");
  return {};
}

OAuthGrant grant_of(const CredentialConfig& config) {
  return config.tokens ? config.tokens->grant : OAuthGrant::client_credentials;
}

// Each byte taken for a character, as servers do that know fields of HTTP as Latin-1 alone.
std::string latin1_in_utf8(std::string_view bytes) {
  std::string out;
  for (unsigned char c : bytes) {
    if (c >= 0x80) out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(c < 0x80 ? c : 0x80 | (c & 63));
  }
  return out;
}

std::string unescaped(std::string_view text) {
  std::string out;
  Unescape unescape;
  const auto take = [&](Token token, bool is_left_out) {
    if (!is_left_out) out += static_cast<char>(token.byte);
  };
  for (std::size_t i = 0; i < text.size(); ++i)
    unescape.feed({static_cast<unsigned char>(text[i]), i, i + 1}, take, [](std::span<const Token>) {});
  if (!unescape.idle()) out.append(text.substr(unescape.pending_since()));
  return out;
}

// What is looked for in responses: secrets, and how they were sent, since who is sent something may say it
// back as it came, in base64 too.
class Needles {
 public:
  void add(const CredentialConfig& config, const Value& value) {
    const WipedFrees wiped;
    for (const Secret* part : {&value.secret, &value.session_token, &value.refresh_token}) {
      const std::string_view text = part->reveal();
      if (text.size() < shortest_needle) continue;
      add(text, config.placeholder);
      add_made(latin1_in_utf8(text), config.placeholder);
      // A secret that reads like something escaped is found where readings undo that too.
      const std::string once = unescaped(text);
      add_made(once, config.placeholder);
      add_made(unescaped(once), config.placeholder);
      for (const std::string& form : written_at(config.place, text))
        if (form.size() >= shortest_digits) add_made(form, config.placeholder);
    }
  }
  bool empty() const { return needles_.empty(); }
  std::shared_ptr<const Patterns> patterns() const {
    return empty() ? nullptr : std::make_shared<const Patterns>(needles_);
  }

 private:
  // Two credentials may have one value.
  bool has(std::string_view text) const {
    return std::ranges::find(needles_, text, &Needle::text) != needles_.end();
  }
  void add(std::string_view text, const std::string& stand_in) {
    if (!has(text)) needles_.push_back({text, stand_in});
  }
  // What is longer than is looked for is found by its beginning.
  void add_made(std::string_view text, const std::string& stand_in) {
    text = text.substr(0, longest_needle);
    if (has(text) || text.size() < shortest_needle) return;
    made_.emplace_back(text);
    add(made_.back().reveal(), stand_in);
  }

  std::vector<Needle> needles_;
  std::deque<Secret> made_;
};

std::shared_ptr<const Patterns> patterns_of(const CredentialConfig& config, const Value& value) {
  Needles needles;
  needles.add(config, value);
  return needles.patterns();
}

}  // namespace

Read read_value(const CredentialConfig& config, std::string_view stored) {
  Value value;
  if (auto read = read_parts(config, stored, value); !read) return std::unexpected(read.error());
  if (auto sent = check_sent(config, value); !sent) return std::unexpected(sent.error());
  value.patterns = patterns_of(config, value);
  return value;
}

Read token_value(const CredentialConfig& config, std::uint64_t version, Secret token, Secret refresh_token) {
  Value value;
  value.version = version;
  value.secret = std::move(token);
  value.refresh_token = std::move(refresh_token);
  if (auto sent = check_sent(config, value); !sent) return std::unexpected(sent.error());
  value.patterns = patterns_of(config, value);
  return value;
}

// Version first: a value that is set in between is then a new one at the next look.
std::expected<std::shared_ptr<const Value>, Error> Values::get(const Store& store,
                                                               const CredentialConfig& config) {
  const std::uint64_t version = store.version(config.name);
  {
    std::lock_guard lock(mutex_);
    auto kept = kept_.find(config.name);
    const bool same = kept != kept_.end() && kept->second.value->version == version &&
                      kept->second.type == config.type && kept->second.user == config.user &&
                      kept->second.placeholder == config.placeholder &&
                      kept->second.grant == grant_of(config);
    if (same && version != 0) return kept->second.value;
    if (kept != kept_.end()) kept_.erase(kept);  // and wiped, once no request holds it
  }
  auto stored = store.get(config.name);
  if (!stored) return std::unexpected(stored.error());
  auto value = read_value(config, stored->reveal());
  if (!value)
    return std::unexpected(
        Error{EINVAL, fmt::format("cannot use credential '{}': {}", config.name, value.error())});
  value->version = version;
  auto shared = std::make_shared<const Value>(std::move(*value));
  std::lock_guard lock(mutex_);
  kept_.insert_or_assign(config.name,
                         Kept{config.type, config.user, config.placeholder, grant_of(config), shared});
  return shared;
}

std::shared_ptr<const Patterns> Values::patterns(const Store& store,
                                                 const std::vector<const CredentialConfig*>& credentials,
                                                 const std::vector<Sent>& tokens) {
  std::string names;
  Together together;
  Needles needles;
  auto add = [&](const CredentialConfig& config, std::shared_ptr<const Value> value) {
    needles.add(config, *value);
    together.values.push_back(std::move(value));
  };
  for (const CredentialConfig* config : credentials) {
    names += fmt::format("{} {}\n", config->name, config->placeholder);
    if (auto value = get(store, *config)) add(*config, std::move(*value));
  }
  for (const Sent& token : tokens) add(*token.config, token.value);
  const bool alone = together.values.size() == 1 && together.values.front()->patterns;
  std::lock_guard lock(mutex_);
  if (needles.empty() || alone) {
    together_.erase(names);  // which holds what may not be said any more
    return needles.empty() ? nullptr : together.values.front()->patterns;
  }
  Together& kept = together_[names];
  if (kept.values != together.values) {
    together.patterns = needles.patterns();
    kept = std::move(together);
  }
  return kept.patterns;
}

}  // namespace clawpatrol::credentials
