#include "daemon/control/server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "daemon/control/wiped_buffer.h"
#include "daemon/files/access_list.h"

namespace clawpatrol::control {
namespace {

using Clock = Loop::Clock;

// Pieces of one answer that are made in one turn of the loop, so that one client cannot hold it.
constexpr int pieces_per_turn = 8;
constexpr int backlog = 16;

std::expected<sockaddr_un, Error> address_of(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof address.sun_path) {
    return std::unexpected(
        Error{ENAMETOOLONG, fmt::format("cannot listen on '{}': the path is longer than {} bytes",
                                        path.native(), sizeof address.sun_path - 1)});
  }
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  return address;
}

bool somebody_serves(const sockaddr_un& address) {
  Fd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return false;
  int result = connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  return result == 0 || errno == EAGAIN;  // EAGAIN: its backlog is full
}

bool in_group(int fd, gid_t group, gid_t primary) {
  if (primary == group) return true;
  std::vector<gid_t> groups(256);
  socklen_t length = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &length) != 0) {
    if (errno != ERANGE) return false;
    groups.resize(length / sizeof(gid_t));
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &length) != 0) return false;
  }
  groups.resize(length / sizeof(gid_t));
  return std::find(groups.begin(), groups.end(), group) != groups.end();
}

std::string error_json(std::string_view code, std::string_view message, std::string_view hint) {
  JsonObject error;
  error.add("code", code).add("message", message);
  if (!hint.empty()) error.add("hint", hint);
  return error.text();
}

std::string end_line(const std::string& failure) {
  JsonObject end = message_of_type("end");
  end.add("ok", failure.empty());
  if (!failure.empty()) end.add_json("error", failure);
  return end.text() + "\n";
}

}  // namespace

struct Server::Client {
  Fd fd;
  Caller caller;
  WipedBuffer input;
  std::string output;
  std::size_t sent = 0;                    // of output
  Answer answer;                           // null: between requests
  bool waiting = false;                    // the answer is a stream with nothing to say now
  bool closing = false;                    // hang up once output is sent
  bool ended = false;                      // the client sends no more
  bool again = false;                      // there is more to do at once
  Clock::time_point since = Clock::now();  // of the last progress: a byte read or sent, a request begun
};

void Output::line(std::string_view json) {
  lines_ += json;
  lines_ += '\n';
}

void Output::fail(std::string_view code, std::string_view message, std::string_view hint) {
  if (failure_.empty()) failure_ = error_json(code, message, hint);
}

Answer answer_line(std::string json) {
  return [json = std::move(json)](Output& output) {
    output.line(json);
    return Progress::done;
  };
}

Answer answer_lines(std::vector<std::string> lines) {
  return [lines = std::move(lines), next = std::size_t{0}](Output& output) mutable {
    for (std::size_t end = std::min(lines.size(), next + 64); next < end; ++next) output.line(lines[next]);
    return next == lines.size() ? Progress::done : Progress::more;
  };
}

Answer answer_failure(std::string code, std::string message, std::string hint) {
  return [code = std::move(code), message = std::move(message), hint = std::move(hint)](Output& output) {
    output.fail(code, message, hint);
    return Progress::done;
  };
}

Server::Server(Loop& loop, Options options, Handler handler)
    : loop_(loop), options_(std::move(options)), handler_(std::move(handler)) {}

std::expected<std::unique_ptr<Server>, Error> Server::listen(Loop& loop, Options options, Handler handler) {
  std::unique_ptr<Server> server(new Server(loop, std::move(options), std::move(handler)));
  if (auto opened = server->open_socket(); !opened) return std::unexpected(opened.error());
  Server* self = server.get();
  loop.watch(self->listener_.get(), POLLIN, [self](short) { self->accept_clients(); });
  self->slow_timer_ = loop.every(std::chrono::milliseconds(500), [self] { self->hang_up_on_the_slow(); });
  return server;
}

Server::~Server() {
  for (Loop::TimerId timer : {tick_timer_, slow_timer_, again_timer_, rest_timer_}) loop_.cancel(timer);
  for (const auto& [fd, client] : clients_) loop_.forget(fd);
  if (!listener_) return;
  loop_.forget(listener_.get());
  struct stat now{};
  if (inode_ != 0 && lstat(options_.path.c_str(), &now) == 0 && now.st_ino == inode_) {
    unlink(options_.path.c_str());
  }
}

std::expected<void, Error> Server::open_socket() {
  auto address = address_of(options_.path);
  if (!address) return std::unexpected(address.error());
  const std::string where = fmt::format("cannot listen on '{}'", options_.path.native());
  struct stat there{};
  if (lstat(options_.path.c_str(), &there) == 0) {
    if (!S_ISSOCK(there.st_mode)) return std::unexpected(Error{EEXIST, where + ": something else is there"});
    if (somebody_serves(*address))
      return std::unexpected(Error{EADDRINUSE, where + ": another daemon serves it"});
    unlink(options_.path.c_str());
  }
  listener_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener_) return std::unexpected(os_error(errno, where));
  // The mode at bind comes from the inode of the socket, so nobody can connect before it is narrowed.
  fchmod(listener_.get(), 0660);
  if (bind(listener_.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return std::unexpected(os_error(errno, where));
  }
  struct stat made{};
  if (lstat(options_.path.c_str(), &made) != 0) return std::unexpected(os_error(errno, where));
  inode_ = made.st_ino;
  // Who may speak is decided by SO_PEERCRED below. The file's mode keeps everybody else from filling the
  // backlog.
  if (chmod(options_.path.c_str(), 0660) != 0) return std::unexpected(os_error(errno, where));
  if (options_.group != static_cast<gid_t>(-1) &&
      lchown(options_.path.c_str(), static_cast<uid_t>(-1), options_.group) != 0) {
    if (errno != EPERM)
      return std::unexpected(os_error(
          errno, fmt::format("cannot give '{}' to group {}", options_.path.native(), options_.group)));
    // A daemon that is not of the operators' group itself, so that it is no operator, cannot give them the
    // file; but it may say who else has a way to it.
    for_operators_ = admit(options_.path, {.user = {}, .group = options_.group}) == 0;
  }
  if (::listen(listener_.get(), backlog) != 0) return std::unexpected(os_error(errno, where));
  return {};
}

// Not all that there are: a flood of them would hold everything else up. What is left is found in the next
// turn.
void Server::accept_clients() {
  for (int turn = 0; turn < backlog; ++turn) {
    Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd && (errno == EMFILE || errno == ENFILE)) return rest_from_accepting();
    if (!fd) return;
    ucred credentials{};
    socklen_t length = sizeof credentials;
    if (getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) continue;
    auto client = std::make_unique<Client>();
    client->caller = {credentials.uid, credentials.gid, credentials.pid};
    if (std::string why = why_refused(client->caller, fd.get()); !why.empty()) {
      std::string line = end_line(error_json("forbidden", why, ""));
      [[maybe_unused]] ssize_t sent = send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      continue;
    }
    int number = fd.get();
    client->fd = std::move(fd);
    clients_[number] = std::move(client);
    loop_.watch(number, POLLIN, [this, number](short events) { ready(number, events); });
  }
}

// Out of descriptors: the connection stays in the backlog, and poll would say so without end.
void Server::rest_from_accepting() {
  loop_.change(listener_.get(), 0);
  rest_timer_ =
      loop_.after(std::chrono::milliseconds(100), [this] { loop_.change(listener_.get(), POLLIN); });
}

std::string Server::why_refused(const Caller& caller, int fd) const {
  bool admitted = caller.uid == 0 ||
                  (options_.group != static_cast<gid_t>(-1) && in_group(fd, options_.group, caller.gid));
  if (!admitted) {
    return fmt::format("uid {} may not use the control socket: only root and the group of '{}' may",
                       caller.uid, options_.path.native());
  }
  std::size_t same = 0;
  for (const auto& [number, client] : clients_) same += client->caller.uid == caller.uid ? 1 : 0;
  if (clients_.size() >= options_.max_clients || same >= options_.max_clients_per_uid) {
    return fmt::format("too many control connections: {} in all, {} of uid {}", clients_.size(), same,
                       caller.uid);
  }
  return "";
}

void Server::ready(int fd, short events) {
  auto found = clients_.find(fd);
  if (found == clients_.end()) return;
  Client& client = *found->second;
  if ((events & (POLLERR | POLLNVAL)) != 0) return drop(fd);
  if ((events & POLLIN) != 0 && !read_from(client)) return drop(fd);
  // Both directions are shut: nobody reads an answer any more.
  if ((events & POLLHUP) != 0 && (events & POLLIN) == 0) return drop(fd);
  serve(client);
}

bool Server::read_from(Client& client) {
  char piece[16 << 10];
  std::size_t room = options_.max_line + options_.max_body + 1;
  while (client.input.size() < room && !client.ended) {
    ssize_t count = recv(client.fd.get(), piece, std::min(sizeof piece, room - client.input.size()), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      explicit_bzero(piece, sizeof piece);
      return errno == EAGAIN;
    }
    if (count == 0) client.ended = true;
    if (client.input.size() == 0) client.since = Clock::now();
    client.input.append({piece, static_cast<std::size_t>(count)});
  }
  explicit_bzero(piece, sizeof piece);
  return true;
}

// Begins the next request, if it is there whole. False: there is none, or the client is closing.
bool Server::take_request(Client& client) {
  std::string_view input = client.input.view();
  std::size_t end = input.find('\n');
  if (end == std::string_view::npos && input.size() <= options_.max_line) return false;
  if (end == std::string_view::npos || end > options_.max_line) {
    refuse(client, "bad_request", fmt::format("the request is longer than {} bytes", options_.max_line), "");
    return false;
  }
  std::expected<Message, std::string> fields = Message::parse(input.substr(0, end));
  if (!fields) {
    refuse(client, "bad_request", "the request cannot be read: " + fields.error(), "");
    return false;
  }
  std::uint64_t body = fields->natural_or_zero("body");
  if (body > options_.max_body) {
    refuse(client, "bad_request", fmt::format("the body is longer than {} bytes", options_.max_body), "");
    return false;
  }
  if (input.size() - end - 1 < body) return false;
  Request request{fields->text_or_empty("command"), *fields, input.substr(end + 1, body), client.caller};
  answer(client, request);
  client.input.drop_front(end + 1 + body);
  return true;
}

void Server::answer(Client& client, const Request& request) {
  client.since = Clock::now();
  if (request.fields.integer("v") != protocol_version) {
    refuse(client, "version",
           fmt::format("this daemon ({}) speaks version {} of the control protocol", CLAWPATROL_VERSION,
                       protocol_version),
           "Use the cpctl of the same version as the daemon.");
    return;
  }
  client.answer = handler_(request);
  if (!client.answer) {
    client.answer = answer_failure("unknown_command", "there is no such command",
                                   "Use the cpctl of the same version as the daemon.");
  }
}

// After this nothing that the client sends can be understood, so it is the last answer.
void Server::refuse(Client& client, std::string_view code, std::string_view message, std::string_view hint) {
  client.answer = nullptr;
  client.output += end_line(error_json(code, message, hint));
  client.closing = true;
}

void Server::produce(Client& client) {
  client.waiting = false;
  for (int piece = 0; piece < pieces_per_turn && client.answer; ++piece) {
    if (client.output.size() - client.sent >= options_.low_water) return;
    Output output;
    Progress progress = client.answer(output);
    client.output += output.lines();
    if (progress == Progress::done) {
      client.output += end_line(output.failure());
      client.answer = nullptr;
    } else if (progress == Progress::waiting) {
      client.waiting = true;
      return;
    }
  }
}

bool Server::flush(Client& client) {
  while (client.sent < client.output.size()) {
    ssize_t count = send(client.fd.get(), client.output.data() + client.sent,
                         client.output.size() - client.sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno == EAGAIN;
    client.sent += static_cast<std::size_t>(count);
    client.since = Clock::now();
  }
  client.output.clear();
  client.sent = 0;
  return true;
}

// Requests one after the other, answers as far as the client takes them.
void Server::serve(Client& client) {
  client.again = false;
  bool starved = false;  // no whole request is here
  for (int turn = 0; turn < pieces_per_turn && !starved; ++turn) {
    bool free = !client.answer && !client.closing && client.output.empty();
    if (free) starved = !take_request(client);
    produce(client);
    if (!flush(client)) return drop(client.fd.get());
    if (!client.output.empty() || client.waiting || client.closing) break;
  }
  bool finished = client.closing || (client.ended && starved && !client.answer);
  if (finished && client.output.empty()) return drop(client.fd.get());
  bool more = client.answer ? !client.waiting : !starved;
  client.again = more && !client.closing && client.output.empty();
  update_interest(client);
}

void Server::update_interest(Client& client) {
  short events = 0;
  std::size_t room = options_.max_line + options_.max_body + 1;
  if (!client.ended && client.input.size() < room) events |= POLLIN;
  if (!client.output.empty()) events |= POLLOUT;
  loop_.change(client.fd.get(), events);
  if (client.again && !again_timer_) {
    // Others first, then this one again: a turn of the loop with no delay.
    again_timer_ = loop_.after({}, [this] {
      again_timer_ = 0;
      serve_all([](const Client& one) { return one.again; });
    });
  }
  if (client.waiting && !tick_timer_) {
    tick_timer_ = loop_.every(options_.stream_tick, [this] {
      if (serve_all([](const Client& one) { return one.waiting; }) > 0) return;
      loop_.cancel(tick_timer_);
      tick_timer_ = 0;
    });
  }
}

std::size_t Server::serve_all(bool (*wanted)(const Client&)) {
  std::vector<int> fds;
  for (const auto& [fd, client] : clients_) {
    if (wanted(*client)) fds.push_back(fd);
  }
  for (int fd : fds) ready(fd, 0);
  return fds.size();
}

void Server::hang_up_on_the_slow() {
  Clock::time_point now = Clock::now();
  std::vector<int> late;
  for (const auto& [fd, client] : clients_) {
    Clock::duration quiet = now - client->since;
    bool unread = !client->output.empty() && quiet > options_.write_timeout;
    bool unfinished = !client->answer && client->input.size() > 0 && quiet > options_.request_timeout;
    bool idle = !client->answer && client->output.empty() && quiet > options_.idle_timeout;
    if (unread || unfinished || idle) late.push_back(fd);
  }
  for (int fd : late) drop(fd);
}

void Server::drop(int fd) {
  loop_.forget(fd);
  clients_.erase(fd);
}

}  // namespace clawpatrol::control
