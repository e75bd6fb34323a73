// Inside of serve_exchange(): what the steps of one exchange share.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/credentials/http/body_guard.h"
#include "daemon/credentials/http/inject.h"
#include "daemon/credentials/http/response.h"
#include "daemon/gateway/analysts.h"
#include "daemon/gateway/http/dial.h"
#include "daemon/gateway/http/problem.h"
#include "daemon/gateway/http/served_flow.h"
#include "daemon/gateway/http/websocket_relay.h"
#include "daemon/gateway/http/worker_state.h"

namespace clawpatrol::http {

class Exchange {
 public:
  Exchange(ServedFlow& flow, AgentExchange& agent);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  Task<void> serve();
  void close();  // the flow is to end

 private:
  // Judging (exchange_judging.cpp).
  std::string_view misdirected() const;
  std::string_view unusable_upgrade();
  void offer_known_extensions();
  Request request() const;
  Task<bool> judge();  // false: the agent has been answered
  bool records_body() const;
  Task<void> read_held(Analysts::Work work);  // what goes through all of held_
  Task<void> read_where_it_may(bool is_long, Analysts::Work work);
  Task<bool> hold_body();  // false: the body cannot be read; the agent has been answered or is gone
  Task<bool> record();     // false: the agent has been answered
  Task<void> refuse(int status, std::string_view type, std::string_view guard, std::string_view why);

  // What it is given (exchange_credential.cpp).
  credentials::Asking asking() const;
  Task<bool> choose_credential();  // false: the agent has been answered
  Task<bool> check_body();         // as far as it is here, for placeholders
  Task<bool> give_credential();    // false: the agent has been answered
  using Read = std::expected<std::shared_ptr<const credentials::Value>, Error>;
  Task<Read> token_of(const CredentialConfig& config);  // for which it may wait
  std::expected<void, Error> look_for_secrets();
  std::expected<std::string_view, credentials::Refusal> guarded(std::string_view bytes);
  std::string credential_key() const;  // of the pool: what has been said on the connection

  // Handing on (exchange_forwarding.cpp).
  Task<void> forward();
  Speaks speaks() const;
  Task<bool> forward_on(UpstreamUse& connection);  // false: it may be sent again on another connection
  Task<void> upload(UpstreamExchange& server);
  Task<bool> await_continue();
  Task<bool> upload_held(UpstreamExchange& server);
  void give_up_upload(UpstreamExchange& server, const Error& error);
  const Fields& trailers_up(const Fields& sent) const;
  Task<std::expected<void, Error>> send_up(UpstreamExchange& server, std::string_view bytes);
  Task<std::expected<void, Error>> send_body(UpstreamExchange& server, std::string_view bytes);
  std::expected<void, Error> sign_some(std::string_view& bytes, std::string& out);
  Task<std::expected<void, Error>> send_down(std::string_view bytes);
  Task<std::expected<void, Error>> send_clean(std::string_view bytes);
  Task<void> discard_body();
  Deadline head_deadline() const;
  Task<std::expected<ResponseHead, Error>> read_head(UpstreamExchange& server);
  Task<bool> download(UpstreamUse& connection);
  Task<bool> download_body(UpstreamExchange& server);
  Task<bool> send_response_head(ResponseHead head);
  Task<bool> change_protocol(ResponseHead head, UpstreamExchange& server);
  Task<void> end_upload(UpstreamExchange& server);

  // A WebSocket (exchange_websocket.cpp).
  struct Way;
  struct Socket;
  Task<bool> serve_websocket(UpstreamExchange& server, websocket::Deflate deflate);
  template <class From, class To>
  Task<bool> relay(Socket& socket, Way& way, From& from, To& to);
  template <class To>
  Task<bool> pass_on(Way& way, To& to, std::string& out);
  Task<void> end_websocket(Socket& socket, std::string reason);
  Task<std::string> judge_message(const WebSocketRelay& frames);
  bool sees_more_now(const Socket& socket) const;

  Task<void> fail(int status, std::string_view type, std::string_view told, std::string why);

  Task<void> answer(Problem problem);
  void note_outcome();
  Deadline stall_deadline() const;
  const EndpointConfig& endpoint() const;
  const RequestHead& head() const { return agent_.head(); }

  ServedFlow& flow_;
  AgentExchange& agent_;
  Judge::Generation policy_;
  RequestHead outgoing_;  // what the server is sent
  Seen seen_;
  Opinion opinion_;
  std::shared_ptr<const credentials::Placeholders> placeholders_;
  credentials::Choice choice_;  // of policy_
  std::string credential_;      // name of the one chosen; "": none
  std::shared_ptr<const credentials::Value> value_, certificate_;
  std::vector<GivenCredentials::Given> given_;
  // Of all credentials that may be sent where this request goes; null: there are none.
  std::shared_ptr<const credentials::Patterns> secrets_;
  bool has_credentials_ = false;                      // such as these, whether they can be read or not
  std::optional<credentials::BodyGuard> body_guard_;  // none: the body holds the credential's place
  std::optional<credentials::ChunkSigner> chunk_signer_;
  PeerMemory::Share signed_share_;  // of what it holds, and has signed
  std::string refused_body_;        // why it goes no further; "": it does
  bool malformed_body_ = false;
  bool cut_body_ = false;  // the agent has ended before it did
  std::optional<credentials::CleanResponse> clean_{std::in_place, nullptr};
  std::uint64_t action_ = 0;
  Clock::time_point begun_{};  // to be looked at

  // The part of the body that was read before the verdict.
  std::string held_;
  PeerMemory::Share held_share_;  // of it
  PeerMemory::Share head_share_;  // of the head, and of what is made of it
  BodyState body_state_ = BodyState::unread;
  bool held_all_ = false;
  std::size_t held_back_ = 0;  // of its end, by body_guard_, which gives it with what follows
  Fields held_trailers_;

  UpstreamExchange* server_ = nullptr;  // while it goes on
  Event changed_;                       // of what stands below
  bool server_continues_ = false;       // it has sent 100, or its response
  bool response_begun_ = false;         // a final head has come
  bool head_sent_ = false;              // a final head has gone to the agent
  bool discarding_ = false;             // what the agent still sends goes nowhere
  unsigned sent_again_ = 0;             // times
  bool agent_left_ = false;             // it has broken the exchange off
  bool unwanted_ = false;               // for that, or since the flow is to end
  Clock::time_point moved_up_{};        // when the server was last sent something, or said something
  bool upload_over_ = true;
  bool whole_ = false;  // the response has been handed on to its end
  int status_ = 0;
  std::string why_;  // it was not, for an operator
  std::uint64_t bytes_up_ = 0, bytes_down_ = 0;
  std::string frames_;  // of a WebSocket: how many of which, in JSON
};

}  // namespace clawpatrol::http
