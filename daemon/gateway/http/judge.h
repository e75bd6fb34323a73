// Between requests and the policy: what a request is to rules, what they say of it, and the line about it.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/gateway/audit_line.h"
#include "daemon/gateway/gateway.h"
#include "daemon/gateway/grant.h"
#include "daemon/gateway/opinion.h"
#include "parsers/http/request.h"

namespace clawpatrol::http {

// A request as rules see it.
struct Seen {
  std::shared_ptr<const HttpFacets> http;  // shared with the record of the action
  std::shared_ptr<const K8sFacets> k8s;    // null where the endpoint is no Kubernetes API
  ActionKind kind = ActionKind::exec;
  std::string audit_json = {};                   // what the audit line says of it
  std::shared_ptr<const WsFacets> ws = nullptr;  // of a message; the others are of the request that opened it
};

// One of each agent's connection. Several requests may be judged at once, each under the generation that it
// was given.
class Judge {
 public:
  Judge(Worker& worker, const ClaimedFlow& flow);
  using Generation = std::shared_ptr<const Policy>;  // that may be replaced while a request is served

  // The generation in force. Null: what the connection rests on does not stand any more, so that it must
  // close.
  Generation take_generation();
  // Whether that stands now, after a wait: what was judged before it may go out.
  bool stands() const;

  // Any thread may see and consider. The error, a literal, says why the request is refused whatever the rules
  // say.
  std::expected<Seen, std::string_view> see(const Policy& policy, const Request& request) const;
  Opinion consider(const Policy& policy, const Seen& seen, std::string_view credential) const;

  struct Entry {
    const Generation& policy;
    const Seen* seen;  // null: it could not be read
    const Opinion& opinion;
    ActionVerdict verdict;
    std::string_view credential;
    std::string text;  // what it was, in short
    std::uint64_t parent = 0;
  };
  struct Line {
    std::uint64_t action = 0;
    std::string text;
    audit::Durability durability = audit::Durability::handed;
  };
  Line record(const Entry& entry);
  AuditQueue::Commit commit(Line& line);

 private:
  void become(std::string_view credential);

  Worker& worker_;
  Shared& shared_;
  Flow& flow_;
  std::shared_ptr<const Peer> peer_;
  std::optional<Grant> grant_;
  Generation policy_;
  const std::shared_ptr<const FlowFacets> of_flow_;
  std::shared_ptr<const FlowFacets> facets_;  // with the credential of the request that was recorded last
  AuditLines lines_;
  Generation counted_;                              // of the request that was recorded last
  std::shared_ptr<const GenerationCounts> counts_;  // its rules'
};

}  // namespace clawpatrol::http
