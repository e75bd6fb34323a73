// Which credential a request gets, before it is judged; and giving it, once it has been recorded.
#include "daemon/gateway/http/exchange_state.h"
#include "daemon/gateway/tokens.h"
#include "parsers/http1/text.h"

namespace clawpatrol::http {

credentials::Asking Exchange::asking() const {
  const ClaimedFlow& claimed = flow_.claimed();
  return {.profile = claimed.peer_facets.profile,
          .endpoint = claimed.endpoint_facets.name,
          .host = claimed.dest.host,
          .port = static_cast<std::uint16_t>(claimed.dest.port)};
}

Task<bool> Exchange::choose_credential() {
  placeholders_ = flow_.worker().shared().placeholders.of(policy_);
  auto choice = [&] {
    const PeerTurns::Work work(flow_.worker().turns(), flow_.claimed().peer->id);
    return credentials::choose(*policy_, *placeholders_, asking(), head());
  }();
  if (choice && choice->needs_body && body_state_ == BodyState::unread) {
    const bool held = co_await hold_body();
    if (!held) co_return false;
    if (held_all_)
      co_await read_held(
          [&] { choice = credentials::choose(*policy_, *placeholders_, asking(), head(), held_); });
  }
  if (!choice) {
    co_await refuse(403, "credential", "credential that cannot be chosen", choice.error().what);
    co_return false;
  }
  choice_ = *choice;
  credential_ = choice_.name();
  const bool in_body =
      choice_.credential && choice_.credential->place.kind == SecretPlace::Kind::json && held_all_;
  if (!in_body)
    body_guard_.emplace(placeholders_, head().fields,
                        credentials::sendable(*policy_, asking()).empty()
                            ? credentials::UnknownCoding::passes
                            : credentials::UnknownCoding::is_refused);
  co_return true;
}

Task<bool> Exchange::check_body() {
  if (!body_guard_) co_return true;
  std::expected<std::string_view, credentials::Refusal> passed;
  co_await read_held([&] { passed = body_guard_->feed(held_); });
  if (passed && !held_all_) held_back_ = held_.size() - passed->size();
  if (passed) co_return true;
  co_await refuse(403, "credential", "placeholder out of its place", passed.error().what);
  co_return false;
}

// What may be sent of the body.
std::expected<std::string_view, credentials::Refusal> Exchange::guarded(std::string_view bytes) {
  if (!body_guard_) return bytes;
  PeerTurns::Work work(flow_.worker().turns(), flow_.claimed().peer->id);
  return body_guard_->feed(bytes);
}

// Whichever of them this request gets, if any: a server may show it what it kept of another.
std::expected<void, Error> Exchange::look_for_secrets() {
  const auto credentials = credentials::sendable(*policy_, asking());
  has_credentials_ = !credentials.empty();
  if (!has_credentials_) return {};
  Shared& shared = flow_.worker().shared();
  std::vector<credentials::Sent> tokens;
  if (shared.tokens) {
    auto sent = shared.tokens->sent(credentials);
    if (!sent) return std::unexpected(std::move(sent.error()));
    tokens = std::move(*sent);
  }
  secrets_ = shared.credential_values.patterns(*shared.credentials, credentials, tokens);
  if (!secrets_) return {};
  auto part = credentials::limit_responses(outgoing_, credentials::part_margin(*secrets_));
  // Frames are looked into as they are.
  std::erase_if(outgoing_.fields,
                [](const Field& field) { return http1::same_name(field.name, "sec-websocket-extensions"); });
  clean_.emplace(secrets_, part);
  return {};
}

Task<Exchange::Read> Exchange::token_of(const CredentialConfig& config) {
  Shared& shared = flow_.worker().shared();
  if (!shared.tokens) co_return std::unexpected(Error{0, "tokens are not fetched here"});
  flow_.flow().set_state("waiting for a token");
  flow_.flow().set_wait();
  auto given = co_await shared.tokens->give(flow_.worker().ring(), flow_.claimed().peer->name, config);
  flow_.flow().set_state("active");
  co_return given;
}

// Never sent without: what cannot be given refuses the request.
Task<bool> Exchange::give_credential() {
  for (auto [config, into] :
       {std::pair(choice_.credential, &value_), {choice_.client_certificate, &certificate_}}) {
    if (!config) continue;
    Read value;
    if (config->tokens)
      value = co_await token_of(*config);
    else
      value = flow_.worker().shared().credential_values.get(*flow_.worker().shared().credentials, *config);
    if (value) {
      *into = std::move(*value);
      given_.push_back({config->name, (*into)->version});
      flow_.given().add(given_.back());
      continue;
    }
    co_await fail(503, "credential",
                  config->tokens ? "The gateway could not get the token for this request."
                                 : "The credential for this request cannot be used.",
                  value.error().what);
    co_return false;
  }
  if (auto looked = look_for_secrets(); !looked) {
    co_await fail(503, "credential", "The gateway could not keep its tokens out of the response.",
                  looked.error().what);
    co_return false;
  }
  // Its value may have changed since it was read; from here on the flow's grant watches over it.
  // So may have what else the connection rests on, while it waited for a token.
  const bool waited = choice_.credential && choice_.credential->tokens;
  const bool stands = !waited || flow_.judge().stands();
  if (const char* why = stands ? flow_.broken_given() : "what the connection rests on was taken away") {
    flow_.end_after_this();
    co_await fail(503, "closed", "The gateway closes this connection.", why);
    co_return false;
  }
  if (!choice_.credential) co_return true;
  auto given = [&] {
    const PeerTurns::Work work(flow_.worker().turns(), flow_.claimed().peer->id);  // to sign is some
    return credentials::inject(
        {.choice = choice_, .value = *value_, .asking = asking(), .default_port = scheme_port(endpoint())},
        outgoing_, held_all_ ? &held_ : nullptr);
  }();
  if (given) chunk_signer_ = std::move(*given);
  if (given) co_return true;
  co_await fail(403, "credential", given.error().what, given.error().what);
  co_return false;
}

std::string Exchange::credential_key() const {
  std::string key;
  for (auto [config, value] :
       {std::pair(choice_.credential, &value_), {choice_.client_certificate, &certificate_}})
    if (config)
      key += config->name + ":" + std::to_string((*value)->version) + "." + std::to_string((*value)->token) +
             " ";
  return key;
}

}  // namespace clawpatrol::http
