// [credential.NAME]: each type has keys of its own, and one place in a request.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "policy/config/build.h"
#include "policy/config/hosts.h"
#include "policy/config/suggest.h"

namespace clawpatrol::config {
namespace {

using Kind = SecretPlace::Kind;
using Type = CredentialType;

constexpr std::size_t shortest_placeholder = 8, longest_placeholder = 128;
constexpr std::size_t longest_place = 256;
constexpr std::string_view github_api = "https://api.github.com";

bool is_letter_or_digit(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0;
}

// tchar of RFC 9110, 5.6.2
bool is_token(std::string_view text) {
  auto valid = [](char c) {
    return is_letter_or_digit(c) || std::string_view("!#$%&'*+-.^_`|~").contains(c);
  };
  return !text.empty() && std::ranges::all_of(text, valid);
}

std::string lower_case(std::string_view text) {
  std::string low(text);
  for (char& c : low) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return low;
}

bool is_any_of(Type type, std::initializer_list<Type> types) {
  return std::ranges::find(types, type) != types.end();
}

// Which types have a key that not all have.
bool has_key(Type type, std::string_view key) {
  const bool named = is_any_of(type, {Type::header, Type::cookie, Type::query});
  const bool told = is_any_of(
      type, {Type::bearer, Type::oauth2, Type::github_app, Type::anthropic, Type::openai, Type::gemini});
  const bool apart = is_any_of(type, {Type::postgres, Type::mtls});
  if (key == "user") return is_any_of(type, {Type::postgres, Type::basic}) || told;  // told: `at = "basic"`
  if (key == "name") return named;
  if (key == "prefix") return told || type == Type::header;
  if (key == "at") return told;
  if (key == "placeholder" || key == "env") return !apart;
  if (key == "inject") return named || told || type == Type::basic;
  if (key == "url" || key == "client_id" || key == "ca")
    return is_any_of(type, {Type::oauth2, Type::github_app});
  if (key == "installation_id") return type == Type::github_app;
  if (key == "grant" || key == "scopes" || key == "audience" || key == "client_auth")
    return type == Type::oauth2;
  return true;
}

void check_keys_of_type(const Table& table, Type type) {
  for (std::string_view key : key_names("credential")) {
    if (table.has(key) && !has_key(type, key))
      table.report().error(table.at(key),
                           fmt::format("'{}' is not for credentials of type {}", key, name_of(type)));
  }
}

// Fields that frame the message, route it, or stand for something else here.
bool is_own_header(std::string_view name) {
  constexpr std::string_view own[] = {"host",
                                      "content-length",
                                      "transfer-encoding",
                                      "connection",
                                      "upgrade",
                                      "te",
                                      "trailer",
                                      "expect",
                                      "keep-alive",
                                      "proxy-connection",
                                      "cookie",
                                      "content-encoding",
                                      "accept-encoding",
                                      "range",
                                      "if-range",
                                      "set-cookie",
                                      "content-type",
                                      "alt-svc",
                                      "sec-websocket-key"};
  return std::ranges::find(own, name) != std::end(own);
}

// Why a name cannot be the place's; "": it can.
std::string_view objection(const SecretPlace& place) {
  if (place.kind == Kind::basic) return "";
  if (place.name.empty() || place.name.size() > longest_place) return "its name is empty or too long";
  if (place.kind == Kind::header && !is_token(place.name)) return "not the name of a header";
  if (place.kind == Kind::header && is_own_header(place.name))
    return "this header is the gateway's own (for cookies there is type = \"cookie\")";
  if (place.kind == Kind::cookie && !is_token(place.name)) return "not the name of a cookie";
  if (place.kind != Kind::json) return "";
  if (!place.name.starts_with('/')) return "a JSON pointer begins with '/'";
  for (std::size_t i = place.name.find('~'); i != std::string::npos; i = place.name.find('~', i + 1)) {
    if (i + 1 == place.name.size() || (place.name[i + 1] != '0' && place.name[i + 1] != '1'))
      return "in a JSON pointer '~' is written '~0', and a '/' in a name '~1'";
  }
  return "";
}

std::optional<SecretPlace> parse_place(std::string_view text) {
  if (text == "basic") return SecretPlace{Kind::basic, ""};
  constexpr std::pair<std::string_view, Kind> kinds[] = {
      {"header:", Kind::header}, {"query:", Kind::query}, {"cookie:", Kind::cookie}, {"json:", Kind::json}};
  for (const auto& [word, kind] : kinds) {
    if (!text.starts_with(word)) continue;
    text.remove_prefix(word.size());
    return SecretPlace{kind, kind == Kind::header ? lower_case(text) : std::string(text)};
  }
  return std::nullopt;
}

void take_place(const Table& table, std::string_view key, SecretPlace place, CredentialConfig& credential) {
  if (auto why = objection(place); !why.empty())
    table.report().error(table.at(key),
                         fmt::format("'{}' cannot be a credential's place: {}", place.name, why));
  credential.place = std::move(place);
}

void read_place(const Table& table, CredentialConfig& credential) {
  const CredentialDefaults& usual = defaults_of(credential.type);
  credential.place = {usual.kind, std::string(usual.name)};
  if (auto name = table.string("name")) {
    const bool header = usual.kind == Kind::header;
    take_place(table, "name", {usual.kind, header ? lower_case(name->value) : name->value}, credential);
  } else if (usual.name.empty() && has_key(credential.type, "name")) {
    table.require("name");
  }
  if (auto at = table.string("at")) {
    auto place = parse_place(at->value);
    if (!place)
      table.report().error(at->at, fmt::format("'{}' is no place in a request", at->value),
                           "Write \"header:NAME\", \"basic\", \"query:KEY\", \"cookie:NAME\" or "
                           "\"json:/POINTER\".");
    else
      take_place(table, "at", std::move(*place), credential);
  }
}

void read_prefix(const Table& table, CredentialConfig& credential) {
  const bool usual = !table.has("at") || credential.place == SecretPlace{Kind::header, "authorization"};
  if (usual) credential.prefix = defaults_of(credential.type).prefix;
  auto prefix = table.text("prefix");
  if (!prefix) return;
  const bool plain = std::ranges::all_of(prefix->value, [](char c) { return c >= 0x20 && c < 0x7f; });
  if (!plain || prefix->value.size() > longest_place || prefix->value.starts_with(' '))
    table.report().error(prefix->at, "a prefix is printable ASCII, and begins with no space");
  else if (credential.place.kind != Kind::header)
    table.report().error(
        prefix->at, fmt::format("a prefix is for headers, and the place is '{}'", text_of(credential.place)));
  credential.prefix = prefix->value;
}

void read_injection(const Table& table, CredentialConfig& credential) {
  const bool json = credential.place.kind == Kind::json;
  if (auto written = table.choice("inject")) {
    credential.injection = static_cast<Injection>(*written);
    if (json && credential.injection == Injection::slot)
      table.report().error(table.at("inject"), "a place in the body is found by its placeholder alone",
                           "Write inject = \"placeholder\".");
  } else if (json) {
    credential.injection = Injection::placeholder;
  }
  const bool needs_user = credential.place.kind == Kind::basic && credential.type != Type::basic &&
                          credential.injection == Injection::slot;
  if (needs_user && credential.user.empty())
    table.report().error(
        table.at(), fmt::format("{} needs 'user', which stands before the secret", table.title()),
        "Such as user = \"x-access-token\"; or inject = \"placeholder\", where the agent says it.");
  const bool basic = credential.place.kind == Kind::basic || credential.type == Type::postgres;
  if (!credential.user.empty() && !basic)
    table.report().error(table.at("user"),
                         fmt::format("'user' has no meaning at '{}'", text_of(credential.place)));
  if (credential.user.contains(':') && credential.type != Type::postgres)
    table.report().error(table.at("user"), "a user of Basic authentication has no ':' in it");
}

void read_placeholder(const Table& table, CredentialConfig& credential, Named& named) {
  named.placeholder = table.has("placeholder") ? table.at("placeholder") : table.at();
  if (!has_key(credential.type, "placeholder")) return;
  credential.placeholder = "{{" + credential.name + "}}";
  if (auto written = table.string("placeholder")) {
    auto valid = [](char c) { return is_letter_or_digit(c) || std::string_view("-_.{}").contains(c); };
    const std::size_t size = written->value.size();
    if (size < shortest_placeholder || size > longest_placeholder ||
        !std::ranges::all_of(written->value, valid))
      table.report().error(
          written->at, fmt::format("'{}' cannot be a placeholder", written->value),
          "Write 8 to 128 letters, digits, '-', '_', '.', '{' and '}', that stand nowhere else.");
    credential.placeholder = written->value;
  }
  if (table.has("env")) {
    for (const Text& variable : table.strings("env")) {
      auto valid = [](char c) { return is_letter_or_digit(c) || c == '_'; };
      if (!std::ranges::all_of(variable.value, valid) ||
          std::isdigit(static_cast<unsigned char>(variable.value[0])))
        table.report().error(variable.at, fmt::format("'{}' is not the name of a variable", variable.value));
      credential.variables.push_back(variable.value);
    }
    return;
  }
  for (std::string_view variable : defaults_of(credential.type).variables)
    if (!variable.empty()) credential.variables.emplace_back(variable);
}

// Whether it is an https URL, of which `source` then has the parts.
bool take_url(std::string_view url, TokenSource& source) {
  constexpr std::string_view scheme = "https://";
  source.url = url;
  if (!url.starts_with(scheme)) return false;
  url.remove_prefix(scheme.size());
  auto plain = [](char c) { return c > 0x20 && c < 0x7f && c != '@' && c != '#' && c != '\\' && c != '?'; };
  if (!std::ranges::all_of(url, plain)) return false;
  const std::size_t slash = std::min(url.find('/'), url.size());
  auto host = parse_host(url.substr(0, slash), default_port(EndpointType::https));
  if (!host || host->wildcard) return false;
  source.host = host->host;
  source.port = host->port;
  source.path = slash == url.size() ? "/" : std::string(url.substr(slash));
  return true;
}

void read_app(const Table& table, TokenSource& source) {
  auto digits = [](char c) { return c >= '0' && c <= '9'; };
  auto id = table.required_string("installation_id");
  if (id && !std::ranges::all_of(id->value, digits))
    table.report().error(id->at, "an installation's id is a number");
  if (id) source.installation_id = id->value;
}

void read_tokens(Build& build, const Table& table, CredentialConfig& credential) {
  const bool app = credential.type == Type::github_app;
  if (!app && credential.type != Type::oauth2) return;
  TokenSource source;
  if (app && !table.has("url")) {
    take_url(github_api, source);
  } else if (auto url = table.required_string("url"); url && !take_url(url->value, source)) {
    table.report().error(
        url->at, fmt::format("'{}' is not an https URL", url->value),
        "Such as \"https://login.example.com/oauth2/token\", without user, query and fragment.");
  }
  if (auto pem = read_ca(build, table)) source.ca = std::move(*pem);
  if (auto grant = table.choice("grant")) source.grant = static_cast<OAuthGrant>(*grant);
  if (auto how = table.choice("client_auth")) source.client_auth = static_cast<ClientAuth>(*how);
  if (auto client = table.required_string("client_id")) source.client_id = client->value;
  for (const Text& scope : table.strings("scopes")) source.scopes.push_back(scope.value);
  if (auto audience = table.string("audience")) source.audience = audience->value;
  if (app) read_app(table, source);
  credential.tokens = std::move(source);
}

void read_http(Build& build, const Table& table, CredentialConfig& credential, Named& named) {
  read_place(table, credential);
  read_prefix(table, credential);
  read_injection(table, credential);
  read_placeholder(table, credential, named);
  read_tokens(build, table, credential);
}

}  // namespace

void build_credentials(Build& build) {
  for_each_named(build, "credential", [&](const std::string& name, const Table& table) {
    CredentialConfig credential;
    credential.name = name;
    Named& named = build.credentials[name];
    named.at = table.at();
    table.require("type");
    auto type = table.choice("type");
    if (type) credential.type = static_cast<CredentialType>(*type);
    if (auto endpoint = table.required_string("endpoint")) {
      credential.endpoint = endpoint->value;
      named.endpoints.push_back(*endpoint);
    }
    const bool postgres = type && credential.type == Type::postgres;
    if (auto user = postgres ? table.required_string("user") : table.string("user"))
      credential.user = user->value;
    if (type) check_keys_of_type(table, credential.type);
    if (type && !postgres) read_http(build, table, credential, named);
    auto of = build.policy.endpoints.find(credential.endpoint);
    credential.hosts = read_hosts(
        table, default_port(of == build.policy.endpoints.end() ? EndpointType::postgres : of->second.type),
        named.hosts);
    build.policy.credentials.emplace(name, std::move(credential));
  });
}

// A placeholder that holds another would be two.
void check_placeholders(Build& build) {
  for (const auto& [name, credential] : build.policy.credentials) {
    if (credential.placeholder.empty()) continue;
    for (const auto& [other_name, other] : build.policy.credentials) {
      if (name == other_name || !other.placeholder.contains(credential.placeholder)) continue;
      if (other.placeholder == credential.placeholder && other_name < name) continue;  // said before
      Diagnostic& overlap = build.report.error(
          build.credentials[name].placeholder,
          fmt::format("the placeholder of credential '{}' is part of that of '{}'", name, other_name),
          "Which of two is meant must be seen from the request: give one of them another `placeholder`.");
      Report::relate(overlap, build.credentials[other_name].placeholder, "the other placeholder");
    }
  }
}

}  // namespace clawpatrol::config
