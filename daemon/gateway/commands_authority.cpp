// The certificate that agents are told to trust; the key stays where it is.
#include "daemon/gateway/command_views.h"
#include "daemon/gateway/commands_state.h"
#include "daemon/tls/certificate_facts.h"

namespace clawpatrol {

Answer Commands::State::ca(const Request&) {
  if (!shared.authority) return answer_failure("unsupported", "this gateway has no certificate authority");
  const std::string& pem = shared.authority->certificate_pem();
  auto facts = tls::facts_of(pem);
  if (!facts) return answer_failure("unsupported", facts.error().what);
  JsonObject line = message_of_type("ca");
  line.add("subject", facts->subject).add("fingerprint", facts->fingerprint);
  line.add("begins", time_text(facts->begins_unix * 1'000'000'000));
  line.add("ends", time_text(facts->ends_unix * 1'000'000'000));
  return answer_line(line.add("certificate", pem).text());
}

}  // namespace clawpatrol
