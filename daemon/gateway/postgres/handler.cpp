#include "daemon/gateway/postgres/handler.h"

#include "daemon/gateway/postgres/connection.h"

namespace clawpatrol {

Task<void> serve_postgres(Worker& worker, Fd agent, ClaimedFlow claimed) {
  const std::shared_ptr<Flow> flow = claimed.flow;
  auto connection = std::make_shared<postgres::Connection>(worker, std::move(agent), std::move(claimed));
  co_await connection->serve();
  connection = nullptr;
  worker.shared().flows.close(*flow);
}

}  // namespace clawpatrol
