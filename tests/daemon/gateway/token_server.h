// A server of tokens on loopback, over TLS under an authority of its own, that answers what a test says.
#pragma once

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "daemon/ring/fd.h"
#include "daemon/tls/authority.h"

namespace clawpatrol::lab {

class TokenServer {
 public:
  using Answer = std::function<std::string(const std::string& request)>;  // bytes; "": it hangs up

  // The certificate is made as of `now_unix`: one of long ago has ended.
  TokenServer(Answer answer, std::int64_t now_unix) : answer_(std::move(answer)) {
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to who has gone
    auto authority = tls::Authority::open(std::move(*tls::make_authority(now_unix)));
    ca_ = (*authority)->certificate_pem();
    auto leaf = (*authority)->issue("127.0.0.1", tls::KeyKind::ecdsa, now_unix);
    context_ = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(context_, (*leaf)->certificate.get());
    SSL_CTX_use_PrivateKey(context_, (*leaf)->key->get());
    listener_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 ||
        ::listen(listener_.get(), 64) != 0)
      throw std::runtime_error("listen");
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~TokenServer() {
    stopping_ = true;
    thread_.join();
    SSL_CTX_free(context_);
  }
  TokenServer(const TokenServer&) = delete;
  TokenServer& operator=(const TokenServer&) = delete;

  const std::string& ca() const { return ca_; }
  std::uint16_t port() const { return port_; }
  std::vector<std::string> requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  static bool whole(const std::string& request) {
    const std::size_t head = request.find("\r\n\r\n"), length = request.find("Content-Length: ");
    if (head == std::string::npos || length > head) return false;
    return request.size() >= head + 4 + std::stoul(request.substr(length + 16));
  }
  void serve() {
    while (!stopping_) {
      pollfd waiting{.fd = listener_.get(), .events = POLLIN, .revents = 0};
      if (::poll(&waiting, 1, 20) > 0)
        serve_one(Fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
    }
  }
  void serve_one(Fd socket) {
    SSL* ssl = SSL_new(context_);
    SSL_set_fd(ssl, socket.get());
    std::string request;
    char part[4096];
    bool open = SSL_accept(ssl) == 1;
    while (open && !whole(request)) {
      const int count = SSL_read(ssl, part, sizeof part);
      open = count > 0;
      if (open) request.append(part, static_cast<std::size_t>(count));
    }
    if (open) {
      {
        std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      const std::string answer = answer_(request);
      if (!answer.empty()) SSL_write(ssl, answer.data(), static_cast<int>(answer.size()));
      SSL_shutdown(ssl);
    }
    SSL_free(ssl);
  }

  Answer answer_;
  std::string ca_;
  SSL_CTX* context_ = nullptr;
  Fd listener_;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace clawpatrol::lab
