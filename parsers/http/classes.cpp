#include "parsers/http/classes.h"

#include <algorithm>
#include <array>

#include "parsers/http/target.h"
#include "parsers/http1/text.h"

namespace clawpatrol::http {
namespace {

// `*` in a host is any text, in a path any of one segment; `**` is any number of segments. A trailing slash
// says nothing.
struct Call {
  std::string_view host;     // "": any
  std::string_view methods;  // with a space between; "": any but GET, HEAD and OPTIONS
  std::string_view path;
};

// Maintained by hand, from the vendors' API references. Where a vendor mints under many paths the pattern is
// wider than the list of them: what is not meant needs a rule that reads http.classes.
constexpr Call calls[] = {
    // OAuth 2, wherever it is: RFC 6749, 3.2; RFC 8693; RFC 7591; device and CIBA flows end there too.
    {"", "", "/**/oauth/token"},
    {"", "", "/**/oauth2/token"},
    {"", "", "/**/oauth2/*/token"},
    {"", "", "/**/oauth/access_token"},
    {"", "", "/**/oauth.access"},
    {"", "", "/**/oauth.v2.access"},
    {"", "", "/**/connect/token"},
    {"", "", "/**/protocol/openid-connect/token"},
    // GitHub, and its own servers under /api/v3.
    {"", "", "/**/app/installations/*/access_tokens"},
    {"", "", "/**/applications/*/token"},
    {"", "", "/**/applications/*/token/scoped"},
    {"", "", "/**/app-manifests/*/conversions"},
    {"", "", "/**/actions/runners/registration-token"},
    {"", "", "/**/actions/runners/remove-token"},
    {"", "", "/**/actions/runners/generate-jitconfig"},
    {"api.github.com", "", "/user/keys"},
    {"api.github.com", "", "/user/ssh_signing_keys"},
    {"api.github.com", "", "/repos/*/*/keys"},
    {"github.com", "", "/**/info/lfs/objects/batch"},  // answers with addresses that are signed
    // GitLab.
    {"", "", "/**/api/v4/**/personal_access_tokens/**"},
    {"", "", "/**/api/v4/**/access_tokens/**"},
    {"", "", "/**/api/v4/**/impersonation_tokens/**"},
    {"", "", "/**/api/v4/**/deploy_tokens/**"},
    {"", "", "/**/api/v4/**/deploy_keys/**"},
    {"", "", "/**/api/v4/user/runners"},
    {"", "", "/**/api/v4/user/keys"},
    // Kubernetes: TokenRequest, and certificates.
    {"", "", "/**/api/v1/namespaces/*/serviceaccounts/*/token"},
    {"", "", "/**/apis/certificates.k8s.io/*/certificatesigningrequests/*/approval"},
    // Google.
    {"oauth2.googleapis.com", "", "/token"},
    {"sts.googleapis.com", "", "/**"},
    {"iamcredentials.googleapis.com", "", "/**"},
    {"iam.googleapis.com", "", "/**/serviceAccounts/*/keys/**"},
    {"apikeys.googleapis.com", "", "/**/keys/**"},
    {"", "GET", "/**/computeMetadata/v1/instance/service-accounts/*/token"},
    {"", "GET", "/**/computeMetadata/v1/instance/service-accounts/*/identity"},
    // Amazon, but for the services whose call stands elsewhere than in the path (below).
    {"", "GET", "/latest/meta-data/iam/security-credentials/**"},
    {"", "PUT", "/latest/api/token"},
    {"portal.sso.*.amazonaws.com", "GET", "/federation/credentials"},
    {"oidc.*.amazonaws.com", "", "/token"},
    {"rolesanywhere.*.amazonaws.com", "", "/sessions"},
    // Microsoft.
    {"graph.microsoft.com", "", "/**/addPassword"},
    {"graph.microsoft.com", "", "/**/addKey"},
    {"management.azure.com", "", "/**/listKeys"},
    {"management.azure.com", "", "/**/regenerateKey"},
    {"management.azure.com", "", "/**/listAccountSas"},
    {"management.azure.com", "", "/**/listServiceSas"},
    {"management.azure.com", "", "/**/listCredentials"},
    {"management.azure.com", "", "/**/listClusterAdminCredential"},
    {"management.azure.com", "", "/**/listClusterUserCredential"},
    {"", "GET", "/metadata/identity/oauth2/token"},
    // HashiCorp Vault and OpenBao: logins, tokens, leases of secrets engines.
    {"", "", "/**/v1/auth/**/login/**"},
    {"", "", "/**/v1/auth/token/create/**"},
    {"", "GET POST PUT", "/**/v1/*/creds/*"},
    {"", "", "/**/v1/*/sign/*"},
    {"", "", "/**/v1/*/issue/*"},
    // Registries of images and packages.
    {"auth.docker.io", "GET POST", "/token"},
    {"", "GET POST", "/**/v2/token"},
    {"registry.npmjs.org", "", "/-/npm/v1/tokens/**"},
    {"registry.npmjs.org", "", "/-/user/**"},
    // Model vendors.
    {"api.openai.com", "", "/v1/realtime/**"},
    {"api.openai.com", "", "/v1/organization/admin_api_keys"},
    {"api.openai.com", "", "/v1/organization/projects/*/service_accounts"},
    {"api.anthropic.com", "", "/v1/organizations/api_keys/**"},
    {"generativelanguage.googleapis.com", "", "/**/auth_tokens"},
    // Others.
    {"api.stripe.com", "", "/v1/ephemeral_keys"},
    {"api.cloudflare.com", "", "/client/v4/user/tokens/**"},
    {"api.cloudflare.com", "", "/client/v4/accounts/*/tokens/**"},
    {"api.cloudflare.com", "", "/client/v4/accounts/*/r2/temp-access-credentials"},
    {"api.heroku.com", "", "/oauth/**"},
    {"api.digitalocean.com", "", "/v2/tokens/**"},
    {"api.netlify.com", "", "/api/v1/oauth/**"},
};

// Amazon's calls are named by `Action` in query or body, or by a header.
struct Named {
  std::string_view host;
  std::array<std::string_view, 6> mint;      // "": no more
  std::array<std::string_view, 4> harmless;  // of a service that mints unless it does these
};
constexpr Named named[] = {
    {"sts.*amazonaws.com*", {"*"}, {"GetCallerIdentity", "GetAccessKeyInfo", "DecodeAuthorizationMessage"}},
    {"sts-fips.*amazonaws.com*",
     {"*"},
     {"GetCallerIdentity", "GetAccessKeyInfo", "DecodeAuthorizationMessage"}},
    {"iam.*amazonaws.com*",
     {"CreateAccessKey", "CreateLoginProfile", "UpdateLoginProfile", "CreateServiceSpecificCredential",
      "ResetServiceSpecificCredential", "UploadSSHPublicKey"},
     {}},
    {"cognito-identity.*amazonaws.com*",
     {"GetCredentialsForIdentity", "GetOpenIdToken", "GetOpenIdTokenForDeveloperIdentity"},
     {}},
    {"cognito-idp.*amazonaws.com*",
     {"InitiateAuth", "AdminInitiateAuth", "RespondToAuthChallenge", "AdminRespondToAuthChallenge"},
     {}},
    {"api.ecr*.amazonaws.com*", {"GetAuthorizationToken"}, {}},
    {"ecr.*.amazonaws.com*", {"GetAuthorizationToken"}, {}},
};

// `*` is any text, also none.
bool is_like(std::string_view text, std::string_view pattern) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return text == pattern;
  if (!text.starts_with(pattern.substr(0, star))) return false;
  text.remove_prefix(star);
  pattern.remove_prefix(star + 1);
  for (std::size_t skip = 0; skip <= text.size(); ++skip)
    if (is_like(text.substr(skip), pattern)) return true;
  return false;
}

std::string_view first_segment(std::string_view path) {
  return path.substr(0, std::min(path.find('/', 1), path.size()));
}

// Both begin with a slash, or are empty.
bool path_is_like(std::string_view path, std::string_view pattern) {
  if (pattern.empty()) return path.empty() || path == "/";
  const std::string_view wanted = first_segment(pattern);
  pattern.remove_prefix(wanted.size());
  if (wanted == "/**") {
    if (pattern.empty()) return true;
    for (; !path.empty(); path.remove_prefix(first_segment(path).size()))
      if (path_is_like(path, pattern)) return true;
    return false;
  }
  const std::string_view segment = first_segment(path);
  if (segment.size() < 2 || !is_like(segment, wanted)) return false;
  return path_is_like(path.substr(segment.size()), pattern);
}

bool method_fits(std::string_view method, std::string_view methods) {
  if (methods.empty()) return method != "GET" && method != "HEAD" && method != "OPTIONS";
  bool found = false;
  while (!methods.empty()) {
    const std::size_t end = std::min(methods.find(' '), methods.size());
    found |= methods.substr(0, end) == method;
    methods.remove_prefix(std::min(end + 1, methods.size()));
  }
  return found;
}

bool is_call(const Call& call, const Request& request, std::string_view path) {
  if (!call.host.empty() && !is_like(request.host, call.host)) return false;
  if (!method_fits(request.method, call.methods)) return false;
  return path_is_like(path, call.path);
}

// More than any of these calls has, and few enough to compare.
constexpr std::ptrdiff_t most_segments = 64;

enum class Which : std::uint8_t { no, yes, not_known_yet };

std::string_view header(const Request& request, std::string_view name) {
  for (const http1::Header& each : request.headers)
    if (http1::same_name(each.name, name)) return each.value;
  return {};
}

const Document::Items* actions_in(const Facet<Document>& pairs) {
  const Document* action = pairs ? pairs->find("Action") : nullptr;
  return action ? action->items() : nullptr;
}

Which is_minting(const Named& service, std::string_view action) {
  auto holds = [action](const auto& names) { return std::ranges::find(names, action) != names.end(); };
  if (service.mint[0] == "*") return holds(service.harmless) ? Which::no : Which::yes;
  return holds(service.mint) ? Which::yes : Which::no;
}

Which worst(const Named& service, const Document::Items& actions) {
  for (const Document& action : actions)
    if (!action.text() || is_minting(service, *action.text()) == Which::yes) return Which::yes;
  return actions.size() == 1 ? Which::no : Which::yes;
}

Which named_call(const Named& service, const Request& request, const HttpFacets& facets) {
  if (std::string_view target = header(request, "x-amz-target"); !target.empty())
    return is_minting(service, target.substr(target.rfind('.') + 1));
  if (!facets.query) return Which::yes;
  const auto* in_query = actions_in(facets.query);
  if (in_query && worst(service, *in_query) == Which::yes) return Which::yes;
  if (request.method == "GET" || request.method == "HEAD") return in_query ? Which::no : Which::yes;
  if (!facets.body) return facets.body.why() == Unknown::pending ? Which::not_known_yet : Which::yes;
  if (facets.body->empty()) return in_query ? Which::no : Which::yes;
  const Facet<Document> pairs = read_query(*facets.body);
  const auto* in_body = actions_in(pairs);
  if (!in_body) return Which::yes;
  return worst(service, *in_body);
}

}  // namespace

NameList classes_of(const Request& request, const HttpFacets& facets) {
  NameList classes;
  // A path that is not text cannot be compared, and is none of these services'.
  const std::string path = facets.path ? *facets.path : std::string(request.raw_path);
  bool mints = std::ranges::count(path, '/') > most_segments;
  mints = mints || std::ranges::any_of(calls, [&](const Call& call) { return is_call(call, request, path); });
  for (const Named& service : named) {
    if (mints || !is_like(request.host, service.host)) continue;
    const Which which = named_call(service, request, facets);
    mints = which == Which::yes;
    classes.open |= which == Which::not_known_yet;
  }
  if (mints) classes = {{std::string(mints_credential)}, false};
  return classes;
}

ActionKind raised(ActionKind kind, const HttpFacets& facets) {
  const bool plain = facets.classes && facets.classes->items.empty() && !facets.classes->open;
  return plain ? kind : std::max(kind, ActionKind::admin);
}

}  // namespace clawpatrol::http
