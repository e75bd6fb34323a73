// The metrics over HTTP, for Prometheus: on a loopback address of the configuration, of the control thread, a
// few callers at once. Whatever is asked, the answer is the metrics.
#pragma once

#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "daemon/control/loop.h"
#include "daemon/ring/error.h"
#include "daemon/ring/fd.h"

namespace clawpatrol {

class MetricsDoor {
 public:
  static constexpr std::size_t most_callers = 8;
  static constexpr std::size_t longest_request = 8 << 10;
  static constexpr std::chrono::seconds patience{5};  // of one caller, in all

  // `address` is host:port, the host a loopback address.
  static std::expected<std::unique_ptr<MetricsDoor>, Error> listen(control::Loop& loop,
                                                                   const std::string& address,
                                                                   std::function<std::string()> metrics);
  ~MetricsDoor();
  MetricsDoor(const MetricsDoor&) = delete;
  MetricsDoor& operator=(const MetricsDoor&) = delete;

  std::uint16_t port() const;  // that it listens on

 private:
  struct Caller {
    Fd socket;
    std::string request, answer;
    control::Loop::TimerId timer = 0;
  };
  MetricsDoor(control::Loop& loop, Fd listener, std::function<std::string()> metrics)
      : loop_(loop), listener_(std::move(listener)), metrics_(std::move(metrics)) {}
  void accept_one();
  void on_ready(int fd);
  bool read_request(Caller& caller);  // false: this caller is done with
  bool write_answer(Caller& caller);
  void drop(int fd);

  control::Loop& loop_;
  Fd listener_;
  std::function<std::string()> metrics_;
  std::map<int, Caller> callers_;
};

}  // namespace clawpatrol
