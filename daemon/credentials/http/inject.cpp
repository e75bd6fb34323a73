#include "daemon/credentials/http/inject.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>

#include "daemon/credentials/http/place.h"
#include "daemon/credentials/process_secrets.h"
#include "daemon/credentials/wiped_frees.h"
#include "parsers/http1/text.h"
#include "parsers/http1/write.h"
#include "parsers/json.h"

namespace clawpatrol::credentials {
namespace {

using http::Field;
using http::RequestHead;
using Kind = SecretPlace::Kind;
using Done = std::expected<void, Refusal>;

std::unexpected<Refusal> refused(std::string_view name, std::string_view why) {
  return std::unexpected(
      Refusal{fmt::format("Credential \"{}\" cannot be put into this request: {}.", name, why)});
}

// As the place has it: with its prefix, or behind its user.
std::string slot_text(const CredentialConfig& config, const Value& value) {
  const std::string_view user = value.user.empty() ? std::string_view(config.user) : value.user.reveal();
  if (config.place.kind == Kind::basic) return fmt::format("{}:{}", user, value.secret.reveal());
  return config.prefix + std::string(value.secret.reveal());
}

// The first occurrence becomes the value; all others go.
Done fill_slot(const CredentialConfig& config, const Value& value, RequestHead& head) {
  std::string text = slot_text(config, value);
  bool first = true;
  auto counted = rewrite_place(head, config.place, [&](std::string) {
    return std::exchange(first, false) ? std::optional(text) : std::nullopt;
  });
  if (!counted) return refused(config.name, counted.error());
  if (*counted == 0) add_at_place(head, config.place, text);
  OPENSSL_cleanse(text.data(), text.size());
  return {};
}

// What stands for the secret at its place: of Basic with a credential of its own user, the whole pair.
Done replace_placeholder(const CredentialConfig& config, const Value& value, RequestHead& head) {
  std::size_t replaced = 0;
  auto counted = rewrite_place(head, config.place, [&](std::string text) -> std::optional<std::string> {
    const std::size_t at = text.find(config.placeholder);
    if (at == std::string::npos) return text;
    ++replaced;
    if (config.type == CredentialType::basic) return slot_text(config, value);
    return text.replace(at, config.placeholder.size(), value.secret.reveal());
  });
  if (!counted) return refused(config.name, counted.error());
  return replaced == 1 ? Done() : refused(config.name, "its placeholder is not at its place any more");
}

bool reads_as(std::string_view json, std::string_view value) {
  auto read = read_json_document(fmt::format("\"{}\"", json));
  return read && read->text() && *read->text() == value;
}

Done replace_in_body(const CredentialConfig& config, const Value& value, std::size_t at, RequestHead& head,
                     std::string* body) {
  if (!body) return refused(config.name, "its place is in the body, which is too long");
  if (!http::value_of(head.fields, "content-encoding").empty())
    return refused(config.name, "its place is in the body, which is compressed");
  if (!std::string_view(*body).substr(std::min(at, body->size())).starts_with(config.placeholder))
    return refused(config.name, "its placeholder is not at its place any more");
  // choose() has read all around it, and this much is short.
  const std::string text = json_escaped(value.secret.reveal());
  if (!reads_as(text, value.secret.reveal()))
    return refused(config.name, "the body would not be read as it was");
  body->replace(at, config.placeholder.size(), text);
  if (head.content_length) head.content_length = body->size();
  return {};
}

// Without what stands at the place, which is all that may differ.
std::optional<RequestHead> rest_of(RequestHead head, const SecretPlace& place) {
  auto counted = rewrite_place(head, place, [](std::string) { return std::nullopt; });
  return counted ? std::optional(std::move(head)) : std::nullopt;
}

bool same_but_for(const RequestHead& sent, const RequestHead& judged, const SecretPlace& place) {
  auto left = rest_of(sent, place), right = rest_of(judged, place);
  return left && right && left->method == right->method && left->target == right->target &&
         left->authority == right->authority && left->fields == right->fields &&
         left->has_body == right->has_body && left->upgrade == right->upgrade;
}

// Written and read again, as the server would.
Done check(const Giving& how, const RequestHead& sent, const RequestHead& judged) {
  const CredentialConfig& config = *how.choice.credential;
  std::string text;
  auto written = http1::append_request(text, sent, how.default_port);
  OPENSSL_cleanse(text.data(), text.size());
  if (!written) return refused(config.name, written.error());
  const bool signs = config.place.kind == Kind::sigv4;
  if (signs ? !same_but_for_signature(sent, judged) : !same_but_for(sent, judged, config.place))
    return refused(config.name, "more than its place would change");
  return {};
}

}  // namespace

std::expected<std::optional<ChunkSigner>, Refusal> inject(const Giving& how, RequestHead& head,
                                                          std::string* body) {
  if (!how.choice.credential) return std::nullopt;
  const WipedFrees wiped;
  const CredentialConfig& config = *how.choice.credential;
  if (!config.goes_to(how.asking.host, how.asking.port))
    return refused(config.name, "it is not for this host");
  if (how.value.secret.empty()) return refused(config.name, "it has no value");
  const RequestHead judged = head;
  std::optional<ChunkSigner> signer;
  Done done;
  if (config.place.kind == Kind::sigv4) {
    auto made = sign(
        head, {how.value, how.default_port, body ? std::optional<std::string_view>(*body) : std::nullopt});
    if (!made) return refused(config.name, made.error());
    if (made->chunks != ChunkSignature::none) signer.emplace(*made, how.value);
  } else if (config.place.kind == Kind::json) {
    done = replace_in_body(config, how.value, how.choice.placeholder_at, head, body);
  } else if (how.choice.way == Way::placeholder) {
    done = replace_placeholder(config, how.value, head);
  } else {
    done = fill_slot(config, how.value, head);
  }
  if (done) done = check(how, head, judged);
  if (!done) return std::unexpected(done.error());
  return signer;
}

std::optional<Part> limit_responses(RequestHead& head, std::uint64_t margin) {
  std::optional<Part> part = Part::widen(head, margin);
  constexpr std::string_view known[] = {"gzip", "x-gzip", "deflate", "br", "zstd", "identity"};
  std::string codings;
  std::erase_if(head.fields, [&](const Field& field) {
    if (http1::same_name(field.name, "grpc-accept-encoding") ||
        http1::same_name(field.name, "connect-accept-encoding"))
      return true;
    if (!http1::same_name(field.name, "accept-encoding")) return false;
    http1::each_member(field.value, [&](std::string_view member) {
      const std::string name = http1::lower_case(http1::trimmed(member.substr(0, member.find(';'))));
      if (std::ranges::find(known, name) == std::end(known)) return true;
      codings += fmt::format("{}{}", codings.empty() ? "" : ", ", member);
      return true;
    });
    return true;
  });
  // Without the field a server may choose any coding. A part of what is coded cannot be decoded.
  head.fields.push_back({"accept-encoding", codings.empty() || part ? "identity" : codings});
  return part;
}

void wipe(RequestHead& head) {
  OPENSSL_cleanse(head.target.data(), head.target.size());
  for (Field& field : head.fields) OPENSSL_cleanse(field.value.data(), field.value.size());
  head = {};
  forget_registers();
}

}  // namespace clawpatrol::credentials
