#include "tests/daemon/gateway/lab/serving.h"

#include <fstream>
#include <future>
#include <sstream>

#include "daemon/audit/budget.h"
#include "daemon/audit/log.h"
#include "daemon/gateway/analysts.h"
#include "daemon/gateway/dns/service.h"
#include "daemon/gateway/leaves.h"
#include "daemon/gateway/names.h"
#include "daemon/gateway/postgres/cancel_keys.h"
#include "tests/daemon/gateway/lab/loopback.h"

namespace clawpatrol::lab {
namespace {

Task<void> stop(Worker& worker, Ring::Acceptor& acceptor) {
  co_await acceptor.close();
  co_await worker.flows().join();
  worker.ring().stop();
}

}  // namespace

Serving::Serving(std::size_t audit_bytes) : directory_(scratch("clawpatrol-gw")) {
  std::tie(listener_, port_) = listen_on_loopback();
  shared_.peers.replace({Peer{.id = tester, .name = "tester", .addresses = {}, .key_fingerprint = 1},
                         Peer{.id = other, .name = "other", .addresses = {}, .key_fingerprint = 2}});
  shared_.audit = std::move(*audit::Log::open({.directory = directory_ / "audit",
                                               .key_file = directory_ / "audit.key",
                                               .segment_bytes = 64 << 20,
                                               .keep_bytes = 1 << 30,
                                               .reserve_bytes = 0,
                                               .warn = [](journal::Message, std::string_view) {},
                                               .on_head = {}}));
  shared_.audit_budget = std::make_unique<audit::PeerBudget>(
      audit::PeerBudget::Options{.bytes_per_second = 1, .burst = audit_bytes});
  shared_.analysts = std::make_unique<Analysts>();
  shared_.credentials = std::move(*credentials::Store::open(directory_ / "credentials"));
}

void Serving::start(std::function<void(Worker&, Fd)> accept) {
  std::promise<void> ready;
  thread_ = std::thread([&] {
    worker_ = std::make_unique<Worker>(shared_, std::move(*Ring::create({})), 0);
    acceptor_ = std::make_unique<Ring::Acceptor>(
        worker_->ring(), listener_.get(),
        [this, accept = std::move(accept)](Fd socket) { accept(*worker_, std::move(socket)); });
    worker_->ring().post([&] {
      acceptor_->start();
      ready.set_value();
    });
    worker_->ring().run();
  });
  ready.get_future().wait();
}

Serving::~Serving() {
  if (thread_.joinable()) {
    std::unique_ptr<TaskGroup> ending;
    for (const auto& flow : shared_.flows.all()) flow->ask_to_close("the test is over");
    worker_->ring().post([&] {
      ending = std::make_unique<TaskGroup>(worker_->ring());
      ending->spawn(stop(*worker_, *acceptor_));
    });
    thread_.join();
    shared_.analysts = nullptr;  // before the ring that they post to
    ending = nullptr;
    acceptor_ = nullptr;
    worker_ = nullptr;
  }
  shared_.audit = nullptr;
  std::filesystem::remove_all(directory_);
}

void Serving::run_on_worker(const std::function<void(Worker&)>& work) {
  std::promise<void> done;
  worker_->ring().post([&] {
    work(*worker_);
    done.set_value();
  });
  done.get_future().wait();
}

ClaimedFlow Serving::claim(std::uint32_t peer, const std::string& endpoint, const std::string& type,
                           std::uint16_t server_port) {
  ClaimedFlow claimed;
  claimed.peer = shared_.peers.by_id(peer);
  claimed.flow = shared_.flows.open(peer, shared_.policy.current()->limits);
  if (!claimed.flow) return claimed;
  claimed.flow->peer = claimed.peer->name;
  claimed.flow->endpoint = endpoint;
  claimed.peer_facets = {.name = claimed.peer->name, .profile = "data", .address = "127.0.0.1", .labels = {}};
  claimed.endpoint_facets = {.name = endpoint, .type = type};
  claimed.dest = {.host = "127.0.0.1", .port = server_port};
  return claimed;
}

std::string Serving::audit_log() const {
  std::stringstream text;
  for (const auto& entry : std::filesystem::directory_iterator(directory_ / "audit"))
    text << std::ifstream(entry.path()).rdbuf();
  return text.str();
}

}  // namespace clawpatrol::lab
