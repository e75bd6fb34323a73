#include "cpctl/hooks.h"

namespace clawpatrol::cpctl {
namespace {

// wg-quick runs each line by itself, in bash under `set -e`, and stops at one that fails: what may fail
// stands in a list with `||`, where that does not hold. It then runs no PostDown: whatever fails takes back
// what was done, and once something is trusted nothing fails. wg-quick puts the interface's name for %i, and
// takes what follows a `#` for a comment: there is none, and no other `%`.

// Past the machine's proxies, which are not in the tunnel.
constexpr const char* up_fetch =
    R"sh(d=DIR; unset http_proxy all_proxy ALL_PROXY; mkdir -p $d && for f in ca.crt env.sh; do { command -v curl >/dev/null && curl -q -fsS --retry 3 --max-time 20 -o $d/$f http://GATEWAY/$f; } || wget -q -T 20 -O $d/$f http://GATEWAY/$f || { echo "clawpatrol: the gateway did not give /$f; is this peer's profile there, and its time not over?" >&2; rm -rf $d; exit 1; }; done)sh";

constexpr const char* up_trust =
    R"sh(c=DIR/ca.crt; { if command -v update-ca-certificates >/dev/null; then s=/usr/local/share/ca-certificates; [ -d /etc/pki/trust/anchors ] && s=/etc/pki/trust/anchors; mkdir -p $s && cp $c $s/clawpatrol-%i.crt && update-ca-certificates >/dev/null 2>&1; elif command -v update-ca-trust >/dev/null; then cp $c /etc/pki/ca-trust/source/anchors/clawpatrol-%i.crt && update-ca-trust extract; fi; } || echo "clawpatrol: this system's store did not take the authority; it is in $c" >&2)sh";
constexpr const char* down_trust =
    R"sh({ rm -f /usr/local/share/ca-certificates/clawpatrol-%i.crt /etc/pki/trust/anchors/clawpatrol-%i.crt /etc/pki/ca-trust/source/anchors/clawpatrol-%i.crt; if command -v update-ca-certificates >/dev/null; then update-ca-certificates --fresh >/dev/null 2>&1; elif command -v update-ca-trust >/dev/null; then update-ca-trust extract; fi; } || true)sh";

constexpr const char* up_environment =
    R"sh([ ! -d /etc/profile.d ] || cp DIR/env.sh /etc/profile.d/clawpatrol-%i.sh || true)sh";
constexpr const char* down_environment = R"sh(rm -f /etc/profile.d/clawpatrol-%i.sh || true)sh";

// What the file was before is kept where it is not ours, and brought back where it still is ours. It may be
// a link to nowhere, and is one again. The gateway answers whatever resolver is asked: without ours names are
// found all the same.
constexpr const char* up_resolver =
    R"sh(d=DIR; r=/etc/resolv.conf; { if command -v resolvectl >/dev/null && resolvectl status >/dev/null 2>&1; then resolvectl dns %i RESOLVER && resolvectl domain %i '~.'; elif command -v resolvconf >/dev/null; then echo nameserver RESOLVER | resolvconf -a %i -m 0 -x; else grep -qsxF 'nameserver RESOLVER' $r || { rm -f $d/resolv.before; [ ! -e $r ] || { cat $r > $d/resolv.new && mv $d/resolv.new $d/resolv.before; }; }; echo nameserver RESOLVER > $r; fi; } || echo "clawpatrol: the resolver could not be set; the gateway answers what /etc/resolv.conf names too" >&2)sh";
constexpr const char* down_resolver =
    R"sh(d=DIR; r=/etc/resolv.conf; { if command -v resolvectl >/dev/null && resolvectl status >/dev/null 2>&1; then true; elif command -v resolvconf >/dev/null; then resolvconf -d %i -f; elif grep -qsxF 'nameserver RESOLVER' $r; then if [ -e $d/resolv.before ]; then cat $d/resolv.before > $r; else rm -f "$(readlink -f $r)"; fi; fi; } || true)sh";

constexpr const char* linux_directory = "/var/lib/clawpatrol-agent/%i";
constexpr const char* macos_directory = "/usr/local/var/clawpatrol-agent/%i";
constexpr const char* down_directory = R"sh(rm -rf DIR; rmdir "$(dirname DIR)" 2>/dev/null || true)sh";

// Of the hash alone: what is trusted must be what the operator's gateway has.
constexpr const char* up_compare =
    R"sh(h=$(SHA256 DIR/ca.crt); [ "${h:0:64}" = CA_HASH ] || { echo "clawpatrol: /ca.crt is not the authority that this file was made for: nothing of it is trusted" >&2; rm -rf DIR; exit 1; })sh";

constexpr const char* macos_trust =
    R"sh(security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain DIR/ca.crt || { rm -rf DIR; exit 1; })sh";
constexpr const char* macos_distrust = R"sh(security remove-trusted-cert -d DIR/ca.crt || true)sh";
constexpr const char* macos_environment =
    R"sh(echo "clawpatrol: for a shell's environment: . DIR/env.sh" >&2)sh";

std::string filled(std::string text, std::string_view name, std::string_view value) {
  for (std::size_t at = 0; (at = text.find(name, at)) != std::string::npos; at += value.size())
    text.replace(at, name.size(), value);
  return text;
}

// An IPv6 address without its brackets.
std::string resolver_of(const std::string& gateway) {
  return gateway.starts_with('[') ? gateway.substr(1, gateway.size() - 2) : gateway;
}

}  // namespace

std::vector<std::string> hook_lines(Hooks hooks, const HookFacts& facts) {
  if (hooks == Hooks::none) return {};
  const bool macos = hooks == Hooks::macos;
  auto complete = [&](const char* when, const char* line) {
    std::string text = filled(line, "DIR", macos ? macos_directory : linux_directory);
    text = filled(text, "GATEWAY", facts.gateway);
    text = filled(text, "RESOLVER", resolver_of(facts.gateway));
    text = filled(text, "SHA256", macos ? "shasum -a 256" : "sha256sum");
    return std::string(when) + " = " + filled(text, "CA_HASH", facts.ca_sha256);
  };
  std::vector<std::string> lines;
  auto up = [&](const char* line) { lines.push_back(complete("PostUp", line)); };
  auto down = [&](const char* line) { lines.push_back(complete("PostDown", line)); };
  up(up_fetch);
  up(up_compare);
  up(macos ? macos_trust : up_trust);
  up(macos ? macos_environment : up_environment);
  if (!macos) {  // whose wg-quick sets `DNS =` itself
    up(up_resolver);
    down(down_resolver);
    down(down_environment);
  }
  down(macos ? macos_distrust : down_trust);
  down(down_directory);
  return lines;
}

std::string with_hooks(const std::string& configuration, const std::vector<std::string>& lines) {
  const std::size_t at = configuration.find("\n[Peer]");
  if (at == std::string::npos) return configuration;
  std::string text = configuration.substr(0, at);
  for (const std::string& line : lines) text += line + "\n";
  return text + configuration.substr(at);
}

}  // namespace clawpatrol::cpctl
