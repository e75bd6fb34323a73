// One agent's connection, as its exchanges see it, whichever version of HTTP it speaks.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/gateway/gateway.h"
#include "daemon/gateway/http/exchange.h"
#include "daemon/gateway/http/given_credentials.h"
#include "daemon/gateway/http/http2_upstreams.h"
#include "daemon/gateway/http/judge.h"
#include "daemon/gateway/http/upstream_use.h"
#include "parsers/http/request.h"

namespace clawpatrol::http {

class Exchange;

// The connection that the exchanges are on.
class AgentConnection {
 public:
  // No further request is taken. Exchanges that go on are ended by whoever asks this, or end of themselves;
  // what waits for bytes of the agent wakes.
  virtual void go_away() = 0;
  // The same, but what is on the way is read and answered to its end, and the agent is told in the protocol's
  // words: GOAWAY, `Connection: close`.
  virtual void leave() = 0;

 protected:
  ~AgentConnection() = default;
};

// Lives on one ring, as long as the connection.
class ServedFlow {
 public:
  ServedFlow(Worker& worker, ClaimedFlow claimed);
  ~ServedFlow();
  ServedFlow(const ServedFlow&) = delete;
  ServedFlow& operator=(const ServedFlow&) = delete;

  // Before the first exchange; the connection lives until the last one is over.
  void serve_on(AgentConnection& connection);

  Worker& worker() { return worker_; }
  const ClaimedFlow& claimed() const { return claimed_; }
  Flow& flow() { return *claimed_.flow; }
  Judge& judge() { return judge_; }
  Http2Upstreams& upstreams() { return upstreams_; }
  // What servers are to speak, by what the agent does; before the first exchange.
  void set_speaks(Speaks speaks) { speaks_ = speaks; }
  Speaks speaks() const { return speaks_; }
  bool closing() const { return closing_; }

  // Of the agent, for the connections that speak HTTP/2.
  PeerAccount account() const;

  GivenCredentials& given() { return *given_; }
  const char* broken_given() const;  // as GivenCredentials::broken(), by what is in force

  // Asks the agent to come again on another connection, and breaks off what goes on.
  void close();
  void end_after_this();  // no further request; what goes on may end as it will
  // What has been asked is answered, and nothing more is; the agent is told in its protocol's words.
  void leave();

  // What happened to bytes that are no request: recorded and counted. The action's id.
  Task<std::string> record_malformed(std::string_view why);

 private:
  friend class Exchange;
  Worker& worker_;
  ClaimedFlow claimed_;
  Judge judge_;
  std::shared_ptr<GivenCredentials> given_;  // shared with the flow's grant
  Http2Upstreams upstreams_;
  Speaks speaks_ = Speaks::http1_rather;
  AgentConnection* connection_ = nullptr;
  std::vector<Exchange*> exchanges_;  // that go on
  bool closing_ = false;
  std::shared_ptr<bool> alive_;
};

}  // namespace clawpatrol::http
