#include "daemon/gateway/postgres/rehearsal.h"

#include <algorithm>

#include "daemon/gateway/postgres/login.h"
#include "parsers/postgres/backend.h"
#include "parsers/postgres/build.h"

namespace clawpatrol::postgres {
namespace {

constexpr std::size_t cache_bytes = 1 << 20;
constexpr std::string_view denied_text = "clawpatrol denied ";
constexpr std::string_view refused_text = "clawpatrol refused this message";

bool is_certain_to_fail(std::string_view text) {
  return text.starts_with(denied_text) || text == refused_text;
}

ClaimedFlow claimed_by(const Policy& policy, const Scene& scene, std::shared_ptr<const Peer> peer) {
  ClaimedFlow claimed;
  claimed.flow = std::make_shared<Flow>(1);
  claimed.flow->peer = peer->name;
  claimed.flow->endpoint = scene.endpoint;
  claimed.peer = std::move(peer);
  claimed.peer_facets = scene.peer;
  if (policy.endpoints.contains(scene.endpoint)) claimed.endpoint_facets = {scene.endpoint, "postgres"};
  claimed.dest = scene.dest;
  return claimed;
}

std::vector<Peer> peers_of(const Scene& scene) {
  Peer peer;
  peer.id = 1;
  peer.name = scene.peer.name;
  return {std::move(peer)};
}

// The field of an ErrorResponse; empty where it is not there.
std::string_view error_field(std::string_view body, char wanted) {
  while (!body.empty() && body[0] != '\0') {
    const std::size_t end = body.find('\0');
    if (end == body.npos) return {};
    if (body[0] == wanted) return body.substr(1, end - 1);
    body.remove_prefix(end + 1);
  }
  return {};
}

// Every denial of an action names it at the end of its detail.
std::optional<std::uint64_t> action_named_in(std::string_view detail) {
  const std::size_t at = detail.rfind("a-");
  if (at == detail.npos) return std::nullopt;
  std::string_view id = detail.substr(at);
  if (id.ends_with('.')) id.remove_suffix(1);
  return parse_action_id(id);
}

}  // namespace

std::string StandInServer::answer(std::string_view bytes) {
  pending_ += bytes;
  std::string out;
  std::size_t used = 0;
  while (used < pending_.size()) {
    auto step = frames_.peek(std::string_view(pending_).substr(used));
    auto* parsed = std::get_if<Parsed<Frame>>(&step);
    if (!parsed) break;
    const Frame frame = parsed->event;
    if (frame.whole()) take(frame, out);
    frames_.take(frame);
    used += frame.raw.size();
  }
  pending_.erase(0, used);
  return out;
}

void StandInServer::take(const Frame& frame, std::string& out) {
  if (skipping_ && frame.type != 'S') return;
  switch (frame.type) {
    case 'Q':
      if (auto query = read_query(frame.body)) run(query->text, out);
      return;
    case 'P': {
      auto parse = read_parse(frame.body);
      skipping_ = parse && is_certain_to_fail(parse->text);
      if (skipping_)
        append_error(out, {.code = "42601", .message = "syntax error", .detail = {}, .hint = {}});
      else
        append_empty(out, '1');
      return;
    }
    case 'B': append_empty(out, '2'); return;
    case 'C': append_empty(out, '3'); return;
    case 'D': append_empty(out, 'n'); return;
    case 'E':
      append_header(out, 'C', 1);
      out.push_back('\0');
      return;
    case 'F':
      append_header(out, 'V', 4);
      out.append("\xff\xff\xff\xff", 4);
      append_ready(out, transaction_);
      return;
    case 'S':
      skipping_ = false;
      append_ready(out, transaction_);
      return;
    default: return;
  }
}

void StandInServer::run(std::string_view text, std::string& out) {
  if (is_certain_to_fail(text)) {
    append_error(out, {.code = "42601", .message = "syntax error", .detail = {}, .hint = {}});
    if (transaction_ == 'T') transaction_ = 'E';
    return append_ready(out, transaction_);
  }
  const sql::Analysis analysis = sql::analyse(text, {});
  if (analysis.statements.empty()) append_empty(out, 'I');
  for (const sql::Statement& statement : analysis.statements) {
    append_header(out, 'C', 1);
    out.push_back('\0');
    if (statement.effect == sql::Effect::begin) transaction_ = 'T';
    if (statement.effect == sql::Effect::commit || statement.effect == sql::Effect::rollback)
      transaction_ = 'I';
  }
  append_ready(out, transaction_);
}

Rehearsal::Rehearsal(std::shared_ptr<const Policy> policy, Scene scene)
    : scene_(std::move(scene)),
      analyses_(cache_bytes),
      flow_([&] {
        shared_.peers.replace(peers_of(scene_));
        shared_.policy.replace(policy);
        return claimed_by(*policy, scene_, shared_.peers.by_id(1));
      }()),
      judge_(shared_, analyses_, flow_) {
  if (scene_.time_unix_ns) judge_.decide_as_of(*scene_.time_unix_ns);
}

Played Rehearsal::not_served() {
  return {.actions = {},
          .lines = {},
          .told = Denial{.code = "28000",
                         .message = "the gateway does not serve this endpoint to this peer",
                         .detail = {},
                         .hint = {}},
          .decisive = nullptr};
}

static Played malformed(const Step<FirstPacket>& step) {
  const auto* why = std::get_if<Malformed>(&step);
  return {.actions = {},
          .lines = {},
          .told = Denial{.code = "08P01",
                         .message = why ? std::string(why->why) : "incomplete startup packet",
                         .detail = {},
                         .hint = {}},
          .decisive = nullptr};
}

Played Rehearsal::log_in() {
  if (!judge_.take_generation()) return not_served();
  // As bytes, so that what cannot be sent does not pass here.
  std::string packet;
  append_startup(packet, 0, scene_.parameters);
  auto step = parse_first_packet(packet);
  auto* parsed = std::get_if<Parsed<FirstPacket>>(&step);
  auto* startup = parsed ? std::get_if<Startup>(&parsed->event) : nullptr;
  if (!startup) return malformed(step);
  auto plan = judge_login(judge_, *startup, scene_.peer.profile, scene_.endpoint);
  if (!plan) return collect(std::move(plan.error()));
  std::string_view encoding = "UTF8";
  for (const auto& [name, value] : plan->parameters)
    if (name == "client_encoding") encoding = value;
  judge_.set_encoding(encoding);
  const LimitsConfig& limits = judge_.policy().limits;
  session_.emplace(
      judge_,
      Session::Limits{
          .whole_message = limits.buffer, .prepared = limits.prepared, .in_flight = limits.in_flight},
      plan->replication ? Session::Kind::replication : Session::Kind::ordinary);
  return collect(std::nullopt);
}

// What the agent is told first, if it is told of anything.
std::optional<Denial> Rehearsal::answer(std::string_view bytes) {
  std::string rewritten;
  std::string_view out;
  session_->from_server(bytes, rewritten, out);
  FrameStream frames(Side::backend, largest_message);
  while (!out.empty()) {
    auto step = frames.peek(out);
    auto* parsed = std::get_if<Parsed<Frame>>(&step);
    if (!parsed) break;
    const Frame frame = parsed->event;
    if (frame.type == 'E')
      return Denial{.code = std::string(error_field(frame.body, 'C')),
                    .message = std::string(error_field(frame.body, 'M')),
                    .detail = std::string(error_field(frame.body, 'D')),
                    .hint = std::string(error_field(frame.body, 'H'))};
    frames.take(frame);
    out.remove_prefix(frame.raw.size());
  }
  return std::nullopt;
}

Played Rehearsal::play(std::string_view messages) {
  if (!session_) return {};
  std::optional<Denial> told;
  while (!messages.empty() && session_->ending() == Session::Ending::none) {
    const std::size_t used = session_->from_agent(messages);
    messages.remove_prefix(used);
    const std::string answers = server_.answer(session_->to_server());
    session_->sent();
    take_lines();
    auto error = answer(answers);
    if (error && !told) told = std::move(error);
    if (used == 0 && answers.empty() && !session_->has_more()) break;  // it waits for what will not come
  }
  if (!told && session_->farewell()) told = session_->farewell();
  return collect(std::move(told));
}

Played Rehearsal::cancel() {
  if (!judge_.take_generation()) return not_served();
  const CancelRuling ruling = judge_cancel(judge_, "cancel");
  if (ruling.allowed) return collect(std::nullopt);
  return collect(judge_.denial(ruling.opinion, ruling.action));
}

void Rehearsal::take_lines() {
  std::ranges::move(judge_.lines(), std::back_inserter(lines_));
  judge_.lines_taken();
  judge_.notes().clear();
}

Played Rehearsal::collect(std::optional<Denial> told) {
  Played played{.actions = {}, .lines = {}, .told = std::move(told), .decisive = nullptr};
  while (true) {
    auto more = shared_.actions.since(seen_);
    if (more.empty()) break;
    played.actions.insert(played.actions.end(), more.begin(), more.end());
  }
  take_lines();
  played.lines = std::exchange(lines_, {});
  if (played.actions.empty()) return played;
  played.decisive = played.actions.back();
  if (!played.told) return played;
  if (auto id = action_named_in(played.told->detail)) {
    auto found = std::ranges::find(played.actions, *id, [](const auto& record) { return record->id; });
    played.decisive = found == played.actions.end() ? nullptr : *found;
  } else {
    played.decisive = nullptr;
  }
  return played;
}

std::string query_message(std::string_view sql) {
  std::string out;
  append_query(out, sql);
  return out;
}

std::string parse_messages(std::string_view sql) {
  std::string out;
  append_parse(out, "", sql);
  append_empty(out, 'S');
  return out;
}

std::string extended_messages(std::string_view sql, const std::vector<std::optional<std::string>>& values) {
  std::string after_names;
  Writer writer(after_names);
  writer.u16(0).u16(static_cast<std::uint16_t>(values.size()));
  for (const auto& value : values) {
    writer.u32(value ? static_cast<std::uint32_t>(value->size()) : 0xffffffff);
    if (value) writer.bytes(*value);
  }
  writer.u16(0);
  std::string out;
  append_parse(out, "", sql);
  append_bind(out, "", "", after_names);
  append_execute(out, "", 0);
  append_empty(out, 'S');
  return out;
}

std::string function_call_message(std::uint32_t function) {
  std::string out;
  append_header(out, 'F', 10);
  Writer(out).u32(function).u16(0).u16(0).u16(0);
  return out;
}

}  // namespace clawpatrol::postgres
