#include "parsers/kubernetes/request.h"

#include <catch2/catch.hpp>
#include <deque>

#include "parsers/http/described.h"
#include "parsers/kubernetes/request_info.h"
#include "parsers/kubernetes/selectors.h"

using namespace clawpatrol;

namespace {

using Names = std::vector<std::string>;

kubernetes::Facets ask(const std::string& method, const std::string& target, const std::string& body = "",
                       std::vector<http::DescribedHeader> headers = {}) {
  const http::Described described{method, target, std::move(headers), body};
  auto read = http::read_described(described);
  INFO(method << " " << target);
  auto facets = kubernetes::facets_of(read.request, {});
  REQUIRE(facets);
  return *facets;
}

std::string said(const kubernetes::Facets& facets) {
  const K8sFacets& k8s = facets.k8s;
  return *k8s.verb + " " + *k8s.group + "/" + *k8s.version + " " + *k8s.resource + " " + *k8s.namespace_ +
         "/" + (k8s.name ? *k8s.name : "?");
}

Names derived(const std::string& method, const std::string& target, const std::string& body,
              const std::string& type = "application/merge-patch+json") {
  auto facets = ask(method, target, body, {{"Content-Type", type}});
  REQUIRE(facets.k8s.derived);
  Names names = facets.k8s.derived->items;
  if (facets.k8s.derived->open) names.push_back("(open)");
  return names;
}

const std::string pods = "/api/v1/namespaces/prod/pods";
const std::string deployment = "/apis/apps/v1/namespaces/prod/deployments/web";

}  // namespace

TEST_CASE("a request is what the API server takes it for") {
  CHECK(said(ask("GET", pods)) == "list /v1 pods prod/");
  CHECK(said(ask("GET", pods + "?watch")) == "watch /v1 pods prod/");
  CHECK(said(ask("GET", pods + "?watch=FALSE")) == "list /v1 pods prod/");
  CHECK(said(ask("GET", pods + "?fieldSelector=metadata.name%3Dweb&watch=1")) == "watch /v1 pods prod/web");
  CHECK(said(ask("GET", pods + "/web/log")) == "get /v1 pods/log prod/web");
  CHECK(said(ask("DELETE", "/api/v1/namespaces/prod")) == "delete /v1 namespaces prod/prod");
  CHECK(said(ask("DELETE", pods)) == "deletecollection /v1 pods prod/");
  CHECK(said(ask("PUT", "/api/v1/namespaces/prod/finalize")) == "update /v1 namespaces/finalize prod/prod");
  CHECK(said(ask("PATCH", deployment + "/scale")) == "patch apps/v1 deployments/scale prod/web");
  CHECK(said(ask("GET", "/api/v1/proxy/namespaces/prod/pods/web/a/b")) == "proxy /v1 pods prod/web");
  CHECK(said(ask("DELETE", "/api/v1/watch/pods/web")) == "watch /v1 pods /web");
  CHECK(said(ask("GET", "/healthz")) == "get /  /");
  CHECK(said(ask("GET", "/apis/apps/v1")) == "get /  /");
  CHECK_FALSE(kubernetes::request_info("GET", "/api/v1/watch", {}));
}

TEST_CASE("other spellings of a path are refused, and never read as another resource") {
  for (const char* path :
       {"/api/v1/namespaces/prod//secrets", "/api/v1/namespaces/prod%2Fsecrets",
        "/api/v1/namespaces/prod/pods;x/secrets", "/api/v1/namespaces/prod/pods\\secrets"}) {
    INFO(path);
    CHECK_FALSE(ask("GET", path).refused.empty());
  }
  // The API server removes no dot segments: what stands there is a resource named "..".
  CHECK(said(ask("GET", "/api/v1/namespaces/team/pods/../secrets")) == "get /v1 pods/secrets team/..");
  CHECK(said(ask("GET", "/api/v1/namespaces/prod/%73ecrets")) == "list /v1 secrets prod/");
  CHECK(said(ask("GET", "/api/v1/namespaces/prod/%2573ecrets")) == "list /v1 %73ecrets prod/");
}

TEST_CASE("the name of what is made is in its body") {
  CHECK(said(ask("POST", pods, R"({"metadata":{"name":"web"}})")) == "create /v1 pods prod/web");
  CHECK(said(ask("POST", pods, R"({"metadata":{"generateName":"web-"}})")) == "create /v1 pods prod/web-");
  CHECK(said(ask("POST", pods, R"({"metadata":{}})")) == "create /v1 pods prod/");
  CHECK(said(ask("POST", pods, "metadata: {name: web}", {{"Content-Type", "application/yaml"}})) ==
        "create /v1 pods prod/web");
  CHECK(said(ask("POST", pods, "k8s\x01", {{"Content-Type", "application/vnd.kubernetes.protobuf"}})) ==
        "create /v1 pods prod/?");
  CHECK(said(ask("POST", pods, R"({"metadata":{"name":"a"},"metadata":{"name":"b"}})")) ==
        "create /v1 pods prod/?");
  CHECK(said(ask("POST", pods, R"({"metadata":{"name":7}})")) == "create /v1 pods prod/?");
  CHECK(said(ask("PUT", pods + "/web", R"({"metadata":{"name":"b"}})")) == "update /v1 pods prod/web");
}

TEST_CASE("an exec has its command, and nothing else has one") {
  auto exec = ask("GET", pods + "/web/exec?command=rm&command=-rf&command=%2F&container=c");
  CHECK(exec.k8s.argv->items == Names{"rm", "-rf", "/"});
  CHECK(exec.kind == ActionKind::exec);
  CHECK_FALSE(ask("GET", pods + "/web/exec?command=a;command=b").k8s.argv);
  CHECK(ask("GET", pods + "/web").k8s.argv.why() == Unknown::not_applicable);
  CHECK(exec.k8s.params->find("command")->items()->size() == 3);
}

TEST_CASE("impersonation is seen, and refused where the API server would refuse it") {
  auto as = ask("GET", pods, "",
                {{"Impersonate-User", "root"}, {"Impersonate-Group", "a"}, {"impersonate-group", "b"}});
  CHECK(*as.k8s.impersonate->find("user")->text() == "root");
  CHECK(as.k8s.impersonate->find("groups")->items()->size() == 2);
  CHECK(as.kind == ActionKind::admin);
  CHECK(as.refused.empty());
  CHECK(ask("GET", pods, "", {{"Impersonate-Group", "a"}}).refused == "impersonation without a user");
  CHECK(ask("GET", pods, "", {{"Impersonate-Extra-scopes", "a"}}).refused == "impersonation without a user");
  CHECK(ask("GET", pods, "", {{"Impersonate-User", "a"}, {"Impersonate-User", "b"}}).refused ==
        "more than one Impersonate-User");
  CHECK(ask("GET", pods).k8s.impersonate->find("user")->text()->empty());
}

TEST_CASE("what a request amounts to, by whatever kind of patch") {
  CHECK(derived("POST", pods + "/web/eviction", "{}", "application/json") == Names{"evict", "drain"});
  CHECK(derived("DELETE", pods + "?fieldSelector=spec.nodeName%3Dn1", "") == Names{"drain"});
  const std::string node = "/api/v1/nodes/n1", json_patch = "application/json-patch+json";
  CHECK(derived("PATCH", node, R"({"spec":{"unschedulable":true}})") == Names{"cordon"});
  CHECK(derived("PATCH", node, R"({"spec":{"unschedulable":false}})").empty());
  CHECK(derived("PUT", node, R"({"spec":{"unschedulable":true}})", "application/json") == Names{"cordon"});
  CHECK(derived("PATCH", node, R"([{"op":"add","path":"/spec/unschedulable","value":true}])", json_patch) ==
        Names{"cordon"});
  CHECK(derived("PATCH", node, R"([{"op":"replace","path":"/spec","value":{"unschedulable":true}}])",
                json_patch) == Names{"cordon"});
  CHECK(derived("PATCH", node, R"([{"op":"copy","from":"/x","path":"/spec/unschedulable"}])", json_patch) ==
        Names{"(open)"});
  CHECK(derived("PATCH", node, R"([{"op":"test","path":"/spec/unschedulable","value":true}])", json_patch)
            .empty());
  CHECK(derived("PATCH", node, "\x01", "application/vnd.kubernetes.protobuf") == Names{"(open)"});
  CHECK(derived("PATCH", deployment + "/scale", "{}") == Names{"scale"});
  CHECK(derived("PATCH", deployment, R"({"spec":{"replicas":0}})") == Names{"scale"});
  const std::string annotation = "kubectl.kubernetes.io/restartedAt";
  CHECK(derived("PATCH", deployment,
                R"({"spec":{"template":{"metadata":{"annotations":{")" + annotation + R"(":"x"}}}}})") ==
        Names{"restart"});
  CHECK(derived("PATCH", deployment,
                R"([{"op":"add","path":"/spec/template/metadata/annotations/)"
                R"(kubectl.kubernetes.io~1restartedAt","value":"x"}])",
                json_patch) == Names{"restart"});
  CHECK(derived("PATCH", deployment, "spec: {replicas: 3}", "application/apply-patch+yaml") ==
        Names{"scale"});
  CHECK(derived("PATCH", deployment, "spec: &a {replicas: 3}", "application/apply-patch+yaml") ==
        Names{"(open)"});
  CHECK(derived("GET", deployment, "").empty());
}

TEST_CASE("kinds: what reads, writes, administers and runs") {
  CHECK(ask("GET", pods).kind == ActionKind::read);
  CHECK(ask("GET", "/version").kind == ActionKind::read);
  CHECK(ask("POST", pods).kind == ActionKind::write);
  CHECK(ask("DELETE", "/api/v1/watch/pods/web").kind == ActionKind::write);
  CHECK(ask("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles").kind == ActionKind::admin);
  CHECK(ask("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles").kind == ActionKind::read);
  CHECK(ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews").kind == ActionKind::read);
  CHECK(ask("POST", "/api/v1/namespaces/prod/serviceaccounts/a/token").kind == ActionKind::admin);
  CHECK(ask("GET", pods + "/web/portforward").kind == ActionKind::exec);
  CHECK(ask("GET", "/api/v1/proxy/nodes/n1").kind == ActionKind::exec);
  CHECK(ask("POST", "/healthz").kind == ActionKind::admin);
  CHECK(ask("FOO", pods).kind == ActionKind::admin);
}

TEST_CASE("a list's name is believed only where all of its options parse") {
  auto name = [](const std::string& query) {
    return kubernetes::read_list_options(kubernetes::read_params(query)).name;
  };
  CHECK(name("fieldSelector=metadata.name%3Dweb") == "web");
  CHECK(name("fieldSelector=metadata.name%3D%3Dweb,status.phase!%3DFailed") == "web");
  CHECK(name("fieldSelector=metadata.name!%3Dweb") == "");
  CHECK(name("fieldSelector=metadata.name=a%5C%2Cb") == "a,b");
  CHECK(name("fieldSelector=metadata.name=a%5Cb") == "");
  CHECK(name("fieldSelector=metadata.name=a/b") == "");
  CHECK(name("fieldSelector=metadata.name=web&limit=x") == "");
  CHECK(name("fieldSelector=metadata.name=web&limit=5&timeoutSeconds=-1") == "web");
  CHECK(name("fieldSelector=metadata.name=web&labelSelector=a+in+(b,c),!d,e%3E5") == "web");
  CHECK(name("fieldSelector=metadata.name=web&labelSelector=a+b") == "");
  CHECK(name("fieldSelector=metadata.name=web;x=y") == "");
  for (const char* good : {"", "a", "a=b", "a==b", "a!=b", "!a", "a in (b)", "a notin (b, c)", "x.io/a=b",
                           "a>1", "a=", " a = b , c "}) {
    INFO(good);
    CHECK(kubernetes::is_label_selector(good));
  }
  for (const char* bad :
       {",", "a,", "a in b", "a in (b", "a=b=c", "=b", "-a", "a=-", "X_/a", "a>b", "!a=b", "a b", "()"}) {
    INFO(bad);
    CHECK_FALSE(kubernetes::is_label_selector(bad));
  }
}
