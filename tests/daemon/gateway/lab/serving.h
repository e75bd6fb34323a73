// A worker on a thread of its own that serves a listener on loopback, with an audit log and a credential
// store in a directory that goes with it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "daemon/gateway/gateway.h"
#include "daemon/ring/fd.h"

namespace clawpatrol::lab {

inline constexpr std::uint32_t tester = 7, other = 8;  // the peers of these names

class Serving {
 public:
  // `audit_bytes`: what the peer may write before it is denied.
  explicit Serving(std::size_t audit_bytes);
  ~Serving();  // ends every flow, joins the thread
  Serving(const Serving&) = delete;
  Serving& operator=(const Serving&) = delete;

  // Once the policy and all else that flows need stand in shared(). `accept` runs on the worker's thread.
  void start(std::function<void(Worker&, Fd)> accept);
  // A flow of a peer to this endpoint, as dispatch would have claimed it; `flow` is null where the limits
  // allow no more.
  ClaimedFlow claim(std::uint32_t peer, const std::string& endpoint, const std::string& type,
                    std::uint16_t server_port);
  void run_on_worker(const std::function<void(Worker&)>& work);  // waits until it is done

  Shared& shared() { return shared_; }
  std::uint16_t port() const { return port_; }
  std::string audit_log() const;

 private:
  std::filesystem::path directory_;
  Fd listener_;
  std::uint16_t port_ = 0;
  Shared shared_;
  std::unique_ptr<Worker> worker_;
  std::unique_ptr<Ring::Acceptor> acceptor_;
  std::thread thread_;
};

}  // namespace clawpatrol::lab
