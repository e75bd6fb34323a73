#include "parsers/http/classes.h"

#include <catch2/catch.hpp>

#include "parsers/http/wire.h"

using namespace clawpatrol;
using namespace clawpatrol::http;

namespace {

// "yes", "no", or "open" for the class, and whether the kind says so too.
std::string minting(const std::string& host, const std::string& line, const std::string& body = "",
                    const std::string& fields = "", BodyState state = BodyState::whole) {
  const std::string wire = line + " HTTP/1.1\r\nHost: " + host + "\r\n" + fields +
                           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  WireReading reading = read_wire(wire, {});
  REQUIRE(reading.refused == "");
  Request request = reading.requests[0].request();
  request.body_state = state;
  const HttpFacets facets = *facets_of(request, {});
  const bool high = raised(kind_of(request), facets) >= ActionKind::admin;
  const NameList& classes = *facets.classes;
  if (classes.open) return high ? "open" : "open, and low";
  if (classes.items.empty()) return high ? "no, and high" : "no";
  CHECK(classes.items == std::vector<std::string>{"mints_credential"});
  return high ? "yes" : "yes, and low";
}

}  // namespace

TEST_CASE("attack 19: calls that answer with new credentials are known, by path, by name and by header") {
  CHECK(minting("api.github.com", "POST /app/installations/42/access_tokens") == "yes");
  CHECK(minting("ghe.corp", "POST /api/v3/app/installations/42/access_tokens/") == "yes");
  CHECK(minting("api.github.com", "POST /app/installations/42/%61ccess_tokens") == "yes");
  CHECK(minting("api.github.com", "POST /x/../app/installations/42/access_tokens") == "yes");
  CHECK(minting("github.com", "POST /login/oauth/access_token") == "yes");
  CHECK(minting("github.com", "POST /o/r.git/info/lfs/objects/batch") == "yes");
  CHECK(minting("k8s", "POST /api/v1/namespaces/n/serviceaccounts/default/token") == "yes");
  CHECK(minting("iamcredentials.googleapis.com",
                "POST /v1/projects/-/serviceAccounts/a@b:generateAccessToken") == "yes");
  CHECK(minting("metadata.google.internal",
                "GET /computeMetadata/v1/instance/service-accounts/default/token") == "yes");
  CHECK(minting("login.microsoftonline.com", "POST /tenant/oauth2/v2.0/token") == "yes");
  CHECK(minting("vault", "PUT /v1/auth/kubernetes/login") == "yes");
  CHECK(minting("vault", "GET /v1/aws/creds/role") == "yes");
  CHECK(minting("gitlab.com", "POST /api/v4/projects/1/access_tokens") == "yes");
  CHECK(minting(
            "any", "POST " + [] {
              std::string path;
              for (int i = 0; i < 70; ++i) path += "/a";
              return path;
            }()) == "yes");
}

TEST_CASE("what does not mint is left alone") {
  CHECK(minting("api.github.com", "GET /app/installations/42/access_tokens") == "no");
  CHECK(minting("api.github.com", "POST /repos/o/r/issues") == "no");
  CHECK(minting("api.github.com", "POST /repos/o/r/git/refs") == "no");
  CHECK(minting("k8s", "POST /api/v1/namespaces/n/serviceaccounts") == "no");
  CHECK(minting("api.anthropic.com", "POST /v1/messages", "{}") == "no");
  CHECK(minting("vault", "GET /v1/secret/data/x") == "no");
  CHECK(minting("s3.amazonaws.com", "PUT /bucket/token") == "no");
}

TEST_CASE("Amazon's calls are known by Action, wherever it stands, and by X-Amz-Target") {
  const std::string form = "Content-Type: application/x-www-form-urlencoded\r\n";
  CHECK(minting("sts.amazonaws.com", "POST /", "Action=AssumeRole&Version=2011-06-15", form) == "yes");
  CHECK(minting("sts.eu-west-1.amazonaws.com", "GET /?Action=GetSessionToken") == "yes");
  CHECK(minting("sts.amazonaws.com", "POST /", "Action=SomethingNew", form) == "yes");
  CHECK(minting("sts.amazonaws.com", "POST /", "Action=GetCallerIdentity&Version=2011-06-15", form) == "no");
  CHECK(minting("sts.amazonaws.com", "GET /?Action=GetCallerIdentity") == "no");
  CHECK(minting("sts.amazonaws.com", "POST /?Action=GetCallerIdentity", "Action=AssumeRole", form) == "yes");
  CHECK(minting("sts.amazonaws.com", "POST /?Action=AssumeRole", "Action=GetCallerIdentity", form) == "yes");
  CHECK(minting("sts.amazonaws.com", "POST /", "Action=GetCallerIdentity&Action=AssumeRole", form) == "yes");
  CHECK(minting("sts.amazonaws.com", "POST /", "%41ction=AssumeRole", form) == "yes");
  CHECK(minting("sts.amazonaws.com", "POST /", "nonsense", form) == "yes");
  CHECK(minting("iam.amazonaws.com", "POST /", "Action=CreateAccessKey", form) == "yes");
  CHECK(minting("iam.amazonaws.com", "POST /", "Action=ListUsers", form) == "no");
  CHECK(minting("api.ecr.eu-west-1.amazonaws.com", "POST /", "{}",
                "X-Amz-Target: AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken\r\n") == "yes");
  CHECK(minting("api.ecr.eu-west-1.amazonaws.com", "POST /", "{}",
                "X-Amz-Target: AmazonEC2ContainerRegistry_V20150921.DescribeImages\r\n") == "no");
}

TEST_CASE("a call that is named in a body that is not here is not known yet, or taken for the worst") {
  CHECK(minting("sts.amazonaws.com", "POST /", "x", "", BodyState::unread) == "open");
  CHECK(minting("sts.amazonaws.com", "POST /", "x", "", BodyState::cut) == "yes");
  CHECK(minting("sts.amazonaws.com", "POST /?Action=AssumeRole", "x", "", BodyState::unread) == "yes");
  CHECK(minting("api.github.com", "POST /repos/o/r/issues", "x", "", BodyState::unread) == "no");
}
