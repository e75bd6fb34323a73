// A connection of ours to a server that speaks HTTP/1.1, and the exchanges on it, one after the other.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "daemon/gateway/http/exchange.h"
#include "daemon/gateway/receive_buffer.h"
#include "daemon/gateway/stream.h"
#include "parsers/http1/response.h"

namespace clawpatrol::http {

class Http1Upstream final : UpstreamExchange {
 public:
  // `default_port` is the scheme's; `address` is for an operator.
  Http1Upstream(std::unique_ptr<Stream> stream, std::uint16_t default_port, std::string address);

  UpstreamExchange& exchange() { return *this; }
  const std::string& address() const { return address_; }

  // Whether nothing of the last exchange is left over, so that another may follow.
  bool reusable() const;
  // The same, asked of the socket too: a byte that nobody asked for, and an end, speak against it.
  bool quiet() const;
  bool was_used() const { return exchanges_ > 1; }  // before this exchange
  bool has_answered() const { return answered_; }   // a byte of the response has come

 private:
  Task<std::expected<void, Error>> send_head(const RequestHead& head, Deadline deadline) override;
  Task<std::expected<void, Error>> send(std::string_view bytes, Deadline deadline) override;
  Task<std::expected<void, Error>> finish(const Fields& trailers, Deadline deadline) override;
  Task<std::expected<ResponseHead, Error>> read_head(Deadline deadline) override;
  Task<std::expected<BodyPart, Error>> read(Deadline deadline) override;
  void break_off() override;

  Task<std::expected<bool, Error>> receive(Deadline deadline);
  Task<std::expected<BodyPart, Error>> read_changed(Deadline deadline);
  void drop_part();

  std::unique_ptr<Stream> stream_;
  std::uint16_t default_port_;
  std::string address_;
  ReceiveBuffer buffer_;
  http1::ResponseReader reader_;
  std::uint64_t exchanges_ = 0;

  // Of one exchange.
  http1::Asked asked_ = http1::Asked::ordinary;
  bool chunked_ = false;
  std::uint64_t length_left_ = 0;
  bool all_sent_ = true;
  bool answered_ = false;
  bool keep_alive_ = true;
  bool changed_ = false;
  bool broken_ = false;
  std::size_t part_ = 0;  // bytes of the buffer that the last part covers
  std::string out_;
};

}  // namespace clawpatrol::http
