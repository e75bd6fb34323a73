// What the gateway would do with what an agent sends, without an agent, a server or a socket: the login and
// the session of the daemon itself, whose server is one that answers everything as a server would where all
// goes well. For testing a policy: what passes here is what passes live.
//
// What a server decides is not rehearsed: whether a table exists, what a parameter's type is, what it reports
// of its settings.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/gateway/postgres/session.h"

namespace clawpatrol::postgres {

// Who connects, to where, and when.
struct Scene {
  PeerFacets peer;
  std::string endpoint;
  DestFacets dest;
  std::optional<std::int64_t> time_unix_ns;                     // none: now
  std::vector<std::pair<std::string, std::string>> parameters;  // of startup, `user` among them
};

// What became of one thing that the agent did.
struct Played {
  std::vector<RecentActions::Record> actions;  // in the order in which they were written down
  std::vector<std::string> lines;              // the bodies of their audit lines
  std::optional<Denial> told;                  // the error that the agent got of the gateway; none: it passed
  RecentActions::Record decisive;  // what `told` is about, else the last; null: nothing was judged
};

// Answers like a server that finds nothing wrong, but for the message that is certain to fail.
class StandInServer {
 public:
  std::string answer(std::string_view bytes);

 private:
  void take(const Frame& frame, std::string& out);
  void run(std::string_view text, std::string& out);
  FrameStream frames_{Side::frontend, largest_message};
  std::string pending_;
  char transaction_ = 'I';
  bool skipping_ = false;
};

class Rehearsal {
 public:
  Rehearsal(std::shared_ptr<const Policy> policy, Scene scene);
  Rehearsal(const Rehearsal&) = delete;
  Rehearsal& operator=(const Rehearsal&) = delete;

  // First, and once; where it was refused, what is played is nothing.
  Played log_in();
  // Messages, whole, as they stand on the wire. They are played one after the other, as far as the first that
  // ends the connection.
  Played play(std::string_view messages);
  // A cancel request comes on a connection of its own, which does not log in.
  Played cancel();

 private:
  static Played not_served();
  void take_lines();
  Played collect(std::optional<Denial> told);
  std::optional<Denial> answer(std::string_view bytes);

  Shared shared_;
  Scene scene_;
  sql::Cache analyses_;
  ClaimedFlow flow_;
  Judge judge_;
  std::optional<Session> session_;
  StandInServer server_;
  std::uint64_t seen_ = 0;          // of shared_.actions
  std::vector<std::string> lines_;  // since the last collect()
};

// A Query; or a Parse, Bind, Execute and Sync of the unnamed statement, with values in text form.
std::string query_message(std::string_view sql);
std::string extended_messages(std::string_view sql, const std::vector<std::optional<std::string>>& values);
std::string parse_messages(std::string_view sql);  // a Parse and a Sync
std::string function_call_message(std::uint32_t function);

}  // namespace clawpatrol::postgres
