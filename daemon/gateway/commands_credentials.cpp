// The credentials' names and versions; never a value.
#include <algorithm>
#include <set>

#include "daemon/credentials/process_secrets.h"
#include "daemon/gateway/command_views.h"
#include "daemon/gateway/commands_state.h"
#include "daemon/gateway/grant.h"
#include "daemon/gateway/postgres/salted_passwords.h"
#include "daemon/gateway/tokens.h"

namespace clawpatrol {

std::string Commands::State::credential_line(const credentials::Info* info, const std::string& name) const {
  auto policy = shared.policy.current();
  const CredentialConfig* config = nullptr;
  if (policy) {
    auto found = policy->credentials.find(name);
    if (found != policy->credentials.end()) config = &found->second;
  }
  JsonObject line = message_of_type("credential");
  line.add("name", name).add("set", info != nullptr).add("version", info ? info->version : 0);
  line.add("set_at", info ? time_text(info->set_at_unix * 1'000'000'000) : "");
  line.add("configured", config != nullptr).add("credential_type", config ? name_of(config->type) : "");
  line.add("endpoint", config ? config->endpoint : "").add("user", config ? config->user : "");
  if (!config || !config->tokens || !shared.tokens) return line.text();
  const Tokens::Report token = shared.tokens->report(name);
  line.add("token", token.held              ? "held"
                    : token.fetching        ? "fetching"
                    : token.problem.empty() ? "none"
                                            : "failed");
  if (token.held) line.add("token_ends", time_text(token.ends_unix * 1'000'000'000));
  if (!token.problem.empty()) line.add("token_problem", token.problem);
  return line.text();
}

// Of a credential that is configured: whether the value is what its type needs. "": it is, as far as is
// known.
std::string Commands::State::objection_to(const std::string& name, std::string_view value) const {
  auto policy = shared.policy.current();
  if (!policy) return "";
  auto found = policy->credentials.find(name);
  if (found == policy->credentials.end() || found->second.type == CredentialType::postgres) return "";
  auto read = credentials::read_value(found->second, value);
  return read ? "" : read.error();
}

// Of what rests on the value that was, in memory and on connections.
void Commands::State::forget_value(const std::string& name) {
  shared.salted_passwords->forget(name);
  if (shared.tokens) shared.tokens->forget(name);
  close_orphans(shared);
  if (sources.forget_credential) sources.forget_credential(name);
}

Answer Commands::State::creds_set(const Request& request) {
  std::string name = request.fields.text_or_empty("name");
  if (auto why = objection_to(name, request.body); !why.empty()) {
    record(request, name, "failed");
    return answer_failure("credential", "cannot set credential '" + name + "': " + why,
                          "What its type wants is in /usr/share/doc/clawpatrol/credentials.md.");
  }
  return when_recorded(request, name, [&] {
    auto info = shared.credentials->set(name, request.body);
    forget_value(name);
    record(request, name, info ? "done" : "failed");
    credentials::forget_registers();
    if (!info) return answer_failure("credential", info.error().what);
    return answer_line(credential_line(&*info, name));
  });
}

Answer Commands::State::creds_list(const Request&) {
  std::vector<credentials::Info> stored = shared.credentials->list();
  std::set<std::string> names;
  for (const auto& info : stored) names.insert(info.name);
  if (auto policy = shared.policy.current()) {
    for (const auto& [name, config] : policy->credentials) names.insert(name);
  }
  std::vector<std::string> lines;
  for (const std::string& name : names) {
    auto found = std::ranges::find(stored, name, &credentials::Info::name);
    lines.push_back(credential_line(found == stored.end() ? nullptr : &*found, name));
  }
  return control::answer_lines(std::move(lines));
}

Answer Commands::State::creds_rm(const Request& request) {
  std::string name = request.fields.text_or_empty("name");
  record(request, name, "asked");
  auto removed = shared.credentials->remove(name);
  forget_value(name);
  record(request, name, removed ? "done" : "failed");
  if (!removed)
    return answer_failure("credential", removed.error().what, "See the names with `cpctl creds list`.");
  return answer_line(message_of_type("removed").add("name", name).text());
}

}  // namespace clawpatrol
