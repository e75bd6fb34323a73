#include "daemon/gateway/agent_files.h"

#include <sys/socket.h>

#include "daemon/gateway/sockets.h"
#include "daemon/gateway/stream.h"
#include "parsers/http1/request.h"
#include "parsers/http1/write.h"

namespace clawpatrol {

namespace {

constexpr std::size_t longest_request = 8 << 10;
constexpr auto request_time = std::chrono::seconds(10);

constexpr std::string_view script_head =
    R"sh(# Claw Patrol: the tools of this shell trust the gateway, beside what they trusted before.
# Use it with: eval "$(curl -fsS http://GATEWAY/env.sh)"
clawpatrol_dir="${XDG_CACHE_HOME:-${HOME:-}/.cache}/clawpatrol"
if [ -z "${XDG_CACHE_HOME:-}${HOME:-}" ]; then clawpatrol_dir="$(mktemp -d)"; fi
mkdir -p "$clawpatrol_dir"
cat > "$clawpatrol_dir/ca.crt" <<'CLAWPATROL_PEM'
)sh";

// The first file of roots that is there; one that the agent chose itself before those of the system, and what
// the script has found before where it runs again.
constexpr std::string_view script_tail = R"sh(CLAWPATROL_PEM
clawpatrol_roots=
for clawpatrol_file in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt \
    /etc/ssl/ca-bundle.pem /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem /etc/ssl/cert.pem; do
  if [ "$clawpatrol_file" = "$clawpatrol_dir/roots.crt" ]; then clawpatrol_file="$clawpatrol_dir/before.crt"; fi
  if [ -s "$clawpatrol_file" ]; then
    clawpatrol_roots="$clawpatrol_file"
    break
  fi
done
if [ "$clawpatrol_roots" != "$clawpatrol_dir/before.crt" ]; then
  if [ -n "$clawpatrol_roots" ]; then cat "$clawpatrol_roots"; fi > "$clawpatrol_dir/before.crt"
fi
{ cat "$clawpatrol_dir/before.crt"; echo; cat "$clawpatrol_dir/ca.crt"; } \
  > "$clawpatrol_dir/roots.crt.$$" && mv "$clawpatrol_dir/roots.crt.$$" "$clawpatrol_dir/roots.crt"
# OpenSSL, python's ssl and httpx, Go, Ruby; curl; git; python's requests and pip; aws; psql and libpq; cargo.
export SSL_CERT_FILE="$clawpatrol_dir/roots.crt"
export CURL_CA_BUNDLE="$clawpatrol_dir/roots.crt"
export GIT_SSL_CAINFO="$clawpatrol_dir/roots.crt"
export REQUESTS_CA_BUNDLE="$clawpatrol_dir/roots.crt"
export AWS_CA_BUNDLE="$clawpatrol_dir/roots.crt"
export PGSSLROOTCERT="$clawpatrol_dir/roots.crt"
export CARGO_HTTP_CAINFO="$clawpatrol_dir/roots.crt"
# node and deno add to what they have.
export NODE_EXTRA_CA_CERTS="$clawpatrol_dir/ca.crt"
export DENO_CERT="$clawpatrol_dir/ca.crt"
# Java wants a store of its own kind: a copy of its roots, and ours.
if command -v keytool > /dev/null 2>&1 && command -v java > /dev/null 2>&1; then
  if ! cmp -s "$clawpatrol_dir/ca.crt" "$clawpatrol_dir/java.crt"; then
    clawpatrol_java="$(java -XshowSettings:properties -version 2>&1 | sed -n 's/^ *java\.home = //p')"
    for clawpatrol_file in "$clawpatrol_java/lib/security/cacerts" "$clawpatrol_java/jre/lib/security/cacerts"; do
      if [ -s "$clawpatrol_file" ]; then
        cat "$clawpatrol_file" > "$clawpatrol_dir/java.store"
        if keytool -importcert -noprompt -alias clawpatrol -file "$clawpatrol_dir/ca.crt" \
            -keystore "$clawpatrol_dir/java.store" -storepass changeit > /dev/null 2>&1; then
          cp "$clawpatrol_dir/ca.crt" "$clawpatrol_dir/java.crt"
        fi
        break
      fi
    done
  fi
  if [ -s "$clawpatrol_dir/java.crt" ]; then
    case " ${JAVA_TOOL_OPTIONS:-} " in
      *" -Djavax.net.ssl.trustStore="*) ;;
      *) export JAVA_TOOL_OPTIONS="${JAVA_TOOL_OPTIONS:+$JAVA_TOOL_OPTIONS }-Djavax.net.ssl.trustStore=$clawpatrol_dir/java.store -Djavax.net.ssl.trustStorePassword=changeit" ;;
    esac
  fi
fi
unset clawpatrol_dir clawpatrol_roots clawpatrol_file clawpatrol_java
)sh";

// As a shell reads one word, whatever is in it.
std::string shell_word(std::string_view text) {
  std::string out = "'";
  for (char c : text) {
    if (c == '\'')
      out += "'\\''";
    else
      out.push_back(c);
  }
  return out + "'";
}

struct Answered {
  int status = 200;
  std::string_view type = "text/plain; charset=utf-8";
  std::string_view body{};
};

std::string written(const Answered& answer, std::string_view method) {
  http::ResponseHead head{
      .status = answer.status,
      .fields = {{"Content-Type", std::string(answer.type)}, {"Cache-Control", "no-store"}},
      .has_body = method != "HEAD",
      .content_length = answer.body.size(),
      .upgrade = {}};
  if (answer.status == 405) head.fields.push_back({"Allow", "GET, HEAD"});
  std::string out;
  (void)http1::append_response(out, head,
                               {.end = head.has_body ? http1::BodyEnd::length : http1::BodyEnd::none,
                                .connection = "close",
                                .asked = head.has_body ? http1::Asked::ordinary : http1::Asked::head});
  if (head.has_body) out += answer.body;
  return out;
}

Answered answer_to(const http1::Head& head, const AgentFiles& files) {
  Answered answer;
  if (head.path == "/ca.crt")
    answer = {.type = "application/x-x509-ca-cert", .body = files.ca_pem};
  else if (head.path == "/env.sh")
    answer = {.type = "text/x-shellscript; charset=utf-8", .body = files.script};
  else
    return {.status = 404, .body = "There is /ca.crt and /env.sh.\n"};
  if (head.method != "GET" && head.method != "HEAD") return {.status = 405, .body = "It can be read only.\n"};
  if (head.framing != http1::Framing::none)
    return {.status = 400, .body = "A request without a body is expected.\n"};
  return answer;
}

}  // namespace

std::string environment_script(std::string_view ca_pem,
                               const std::vector<EnvironmentVariable>& placeholders) {
  std::string out(script_head);
  out += ca_pem;
  out += script_tail;
  if (!placeholders.empty())
    out += "# What the gateway replaces by the credential itself, where that belongs.\n";
  for (const auto& [name, placeholder] : placeholders)
    out += "export " + name + "=" + shell_word(placeholder) + "\n";
  return out;
}

std::string answer_agent(std::string_view request, const AgentFiles& files) {
  http1::RequestReader reader;
  auto step = reader.next(request);
  if (std::holds_alternative<NeedMore>(step) && request.size() < longest_request) return "";
  auto* parsed = std::get_if<Parsed<http1::Event>>(&step);
  const auto* head = parsed ? std::get_if<http1::Head>(&parsed->event) : nullptr;
  if (!head)
    return written({.status = 400, .body = "This is no request that can be read in one way.\n"}, "GET");
  return written(answer_to(*head, files), head->method);
}

Task<void> serve_agent_files(Worker& worker, Fd socket, std::shared_ptr<const Peer> peer, std::string profile,
                             std::shared_ptr<Flow> flow) {
  Shared& shared = worker.shared();
  const Deadline deadline = Deadline::after(request_time);
  Stream agent(worker.ring(), std::move(socket));
  const std::string ca_pem = shared.authority->certificate_pem();
  const AgentFiles files{
      .ca_pem = ca_pem,
      .script = environment_script(ca_pem, environment_of(*shared.policy.current(), profile))};
  std::string request(longest_request, '\0'), answer;
  for (std::size_t size = 0; answer.empty();) {
    const std::int32_t count = co_await agent.recv(std::span(request).subspan(size), deadline);
    if (count <= 0) break;
    size += static_cast<std::size_t>(count);
    answer = answer_agent(std::string_view(request).substr(0, size), files);
  }
  if (answer.empty()) shared.refusals.count("agent services: no request", peer->id);
  if (!answer.empty()) {
    (void)co_await agent.send_all(answer, deadline);
    agent.shut_down(SHUT_WR);
    // What is unread when a socket closes makes it reset, and the answer may be lost.
    char rest[1024];
    while (co_await agent.recv(rest, deadline) > 0) {
    }
  }
  shared.flows.close(*flow);
}

}  // namespace clawpatrol
