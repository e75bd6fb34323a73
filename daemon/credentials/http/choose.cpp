#include "daemon/credentials/http/choose.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "daemon/credentials/http/finder.h"
#include "daemon/credentials/http/json_place.h"
#include "daemon/credentials/http/place.h"
#include "daemon/credentials/http/sigv4.h"
#include "parsers/base64.h"
#include "parsers/http/target.h"
#include "parsers/http1/text.h"
#include "parsers/json.h"

namespace clawpatrol::credentials {
namespace {

using http::Field;
using http::RequestHead;
using Kind = SecretPlace::Kind;
using Chosen = std::expected<Choice, Refusal>;
using Candidates = std::vector<const CredentialConfig*>;

std::unexpected<Refusal> refused(std::string what) {
  return std::unexpected(Refusal{std::move(what)});
}

std::string names_of(const Candidates& credentials) {
  std::string names;
  for (const CredentialConfig* credential : credentials)
    names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", credential->name);
  return names;
}

struct Fitting {
  Candidates of_request, of_connection;
  bool elsewhere = false;  // the profile has some for this endpoint that do not go to this host
};

Fitting fitting(const Policy& policy, const Asking& asking) {
  Fitting fit;
  auto profile = policy.profiles.find(asking.profile);
  if (profile == policy.profiles.end()) return fit;
  for (const std::string& name : profile->second.credentials) {
    auto found = policy.credentials.find(name);
    if (found == policy.credentials.end() || found->second.endpoint != asking.endpoint) continue;
    const CredentialConfig& credential = found->second;
    if (!credential.goes_to(asking.host, asking.port))
      fit.elsewhere = true;
    else if (credential.type == CredentialType::mtls)
      fit.of_connection.push_back(&credential);
    else
      fit.of_request.push_back(&credential);
  }
  return fit;
}

// Everything of the head in which something could be read, each part apart from the next.
std::string text_of(const RequestHead& head) {
  std::string text = head.method;
  auto add = [&text](std::string_view part) { text.append(1, '\0').append(part); };
  add(head.target);
  // As a form is read: "+" is a space, which no placeholder holds; so it is as good as it stands.
  add(head.authority.host);
  for (const Field& field : head.fields) {
    add(field.name);
    add(field.value);
    const std::size_t space = field.value.find(' ');
    if (!http1::same_name(field.name, "authorization") || space == std::string::npos) continue;
    if (auto pair = base64_decoded(http1::trimmed(field.value.substr(space)), Base64Padding::optional))
      add(*pair);
  }
  return text;
}

std::set<const CredentialConfig*> found_in(const Placeholders& placeholders, std::string_view text) {
  std::set<const CredentialConfig*> credentials;
  Finder finder(*placeholders.patterns());
  std::vector<Found> found;
  finder.feed(text, found);
  finder.feed(std::string_view("\0", 1), found);
  for (const Found& one : found) credentials.insert(&placeholders.of(*one.pattern));
  return credentials;
}

struct Message {
  RequestHead head;
  std::optional<std::string> body;
};

std::unexpected<Refusal> not_alone(const CredentialConfig& credential) {
  return refused(fmt::format("The placeholder of credential \"{}\" may stand once, at {} alone.",
                             credential.name, text_of(credential.place)));
}

bool is_json_text(std::string_view within) {
  return read_json_document(fmt::format("\"{}\"", within)).has_value();
}

// Where it was.
std::expected<std::size_t, Refusal> take_out_of_body(const CredentialConfig& credential, std::string& body) {
  auto range = json_string_at(body, credential.place.name);
  if (!range) return refused(fmt::format("{}.", range.error()));
  const std::string_view text = std::string_view(body).substr(range->begin, range->end - range->begin);
  const std::size_t at = text.find(credential.placeholder);
  if (at == std::string_view::npos) return not_alone(credential);
  const std::size_t end = at + credential.placeholder.size();
  if (!is_json_text(text.substr(0, at)) || !is_json_text(text.substr(end))) return not_alone(credential);
  body.erase(range->begin + at, credential.placeholder.size());
  return range->begin + at;
}

// Takes the one placeholder out of its place; what is left is where none may stand. Where in the body it was,
// if there.
std::expected<std::size_t, Refusal> take_out(const CredentialConfig& credential, Message& message) {
  if (credential.place.kind == Kind::json && message.body) return take_out_of_body(credential, *message.body);
  std::size_t holding = 0, more = 0;
  auto without = [&](std::string value) -> std::optional<std::string> {
    const std::size_t at = value.find(credential.placeholder);
    if (at == std::string::npos) {
      ++more;
      return value;
    }
    ++holding;
    return value.erase(at, credential.placeholder.size());
  };
  auto counted = rewrite_place(message.head, credential.place, without);
  if (!counted) return refused(fmt::format("{}.", counted.error()));
  if (holding == 1 && more == 0) return 0;
  return not_alone(credential);
}

Chosen by_placeholder(const Placeholders& placeholders, const Candidates& candidates, const Asking& asking,
                      const std::set<const CredentialConfig*>& seen, Message message) {
  Candidates ours;
  for (const CredentialConfig* one : seen) {
    auto own = std::ranges::find(candidates, one->name, [](auto* candidate) { return candidate->name; });
    if (own == candidates.end())
      return refused(
          fmt::format("A placeholder in this request is of no credential that may be sent to {}:{}.",
                      asking.host, asking.port));
    ours.push_back(*own);
  }
  if (ours.size() > 1)
    return refused(fmt::format("Placeholders of several credentials: {}.", names_of(ours)));
  auto taken = take_out(*ours.front(), message);
  if (!taken) return std::unexpected(taken.error());
  const std::string rest = text_of(message.head) + std::string(1, '\0') + message.body.value_or("");
  if (!found_in(placeholders, rest).empty())
    return refused(fmt::format("The placeholder of credential \"{}\" may stand at {} alone.",
                               ours.front()->name, text_of(ours.front()->place)));
  return Choice{.credential = ours.front(), .way = Way::placeholder, .placeholder_at = *taken};
}

// Whether the agent's tool has signed the request: what there is to sign anew.
bool is_signed(const RequestHead& head) {
  RequestHead copy = head;
  auto counted = rewrite_place(copy, {Kind::sigv4, ""},
                               [](std::string value) { return std::optional(std::move(value)); });
  return counted && *counted == 1;
}

Chosen by_slot(const Candidates& candidates, const RequestHead& head) {
  Candidates slots;
  std::ranges::copy_if(candidates, std::back_inserter(slots),
                       [](auto* one) { return one->injection == Injection::slot; });
  if (slots.empty()) return Choice{};
  if (slots.size() > 1)
    return refused(fmt::format("Several credentials fit: {}. Send the placeholder of one.", names_of(slots)));
  if (slots.front()->place.kind == Kind::sigv4 && !is_signed(head))
    return refused(
        fmt::format("Credential \"{}\" signs requests anew that are signed once (AWS SigV4), and this "
                    "one is not. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to any value.",
                    slots.front()->name));
  return Choice{.credential = slots.front(), .way = Way::slot};
}

bool is_listed(const Policy& policy, const Asking& asking) {
  auto profile = policy.profiles.find(asking.profile);
  return profile != policy.profiles.end() &&
         std::ranges::find(profile->second.endpoints, asking.endpoint) != profile->second.endpoints.end();
}

}  // namespace

Placeholders::Placeholders(const Policy& policy) {
  for (const auto& [name, credential] : policy.credentials)
    if (!credential.placeholder.empty()) credentials_.push_back(credential);
  std::vector<Needle> needles;
  for (const CredentialConfig& credential : credentials_) needles.push_back({credential.placeholder, ""});
  patterns_ = std::make_shared<const Patterns>(needles);
}

std::shared_ptr<const Placeholders> PlaceholdersInForce::of(const std::shared_ptr<const Policy>& policy) {
  std::lock_guard lock(mutex_);
  if (policy_ != policy) {
    placeholders_ = std::make_shared<const Placeholders>(*policy);
    policy_ = policy;
  }
  return placeholders_;
}

Chosen choose(const Policy& policy, const Placeholders& placeholders, const Asking& asking,
              const RequestHead& head, std::optional<std::string_view> body) {
  const Fitting fit = fitting(policy, asking);
  if (fit.of_connection.size() > 1)
    return refused(fmt::format("Several client certificates fit: {}.", names_of(fit.of_connection)));
  const bool in_body =
      std::ranges::any_of(fit.of_request, [](auto* one) { return one->place.kind == Kind::json; });
  std::optional<std::string> read;
  if (body && in_body) read = std::string(*body);
  std::set<const CredentialConfig*> seen;
  if (!placeholders.none())
    seen = found_in(placeholders, text_of(head) + std::string(1, '\0') + read.value_or(""));
  Chosen choice = !seen.empty() ? by_placeholder(placeholders, fit.of_request, asking, seen,
                                                 {.head = head, .body = std::move(read)})
                                : by_slot(fit.of_request, head);
  if (!choice) return choice;
  // A body that is still to come may hold the placeholder that decides.
  const bool hashed =
      choice->credential && choice->credential->place.kind == Kind::sigv4 && needs_payload(head);
  choice->needs_body = (in_body || hashed) && !body && head.has_body;
  if (!fit.of_connection.empty()) choice->client_certificate = fit.of_connection.front();
  const bool nothing = fit.of_request.empty() && fit.of_connection.empty();
  if (nothing && fit.elsewhere && !is_listed(policy, asking))
    return refused(
        fmt::format("No credential of this profile may be sent to {}:{}.", asking.host, asking.port));
  return choice;
}

std::vector<const CredentialConfig*> sendable(const Policy& policy, const Asking& asking) {
  return fitting(policy, asking).of_request;
}

}  // namespace clawpatrol::credentials
