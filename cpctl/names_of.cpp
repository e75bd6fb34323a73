#include "cpctl/names_of.h"

#include <chrono>

#include "cpctl/daemon.h"
#include "cpctl/printable.h"

namespace clawpatrol::cpctl {
namespace {

constexpr std::chrono::milliseconds patience(500);  // somebody waits with a finger on a key

struct Question {
  control::JsonObject request;
  std::string_view type, member;  // of the lines that have a name
};

Question question_of(NameKind kind) {
  switch (kind) {
    case NameKind::peer: return {command("list"), "", "name"};
    case NameKind::flow: return {command("flows"), "flow", "id"};
    case NameKind::credential: return {command("creds_list"), "credential", "name"};
    case NameKind::action: return {command("actions").add("last", 50), "action", "id"};
    case NameKind::generation: return {command("generations"), "generation", "generation"};
  }
  return {};
}

void take_name(const control::Message& message, std::string_view member, std::vector<std::string>& names) {
  if (auto text = message.text(member)) names.push_back(printable(*text));
  if (auto number = message.natural(member)) names.push_back(std::to_string(*number));
}

}  // namespace

std::vector<std::string> names_of(NameKind kind, const Paths& paths) {
  auto client =
      control::Client::connect(paths.run / (kind == NameKind::peer ? "peers.sock" : "control.sock"));
  Question question = question_of(kind);
  if (!client || !client->send(question.request.text())) return {};
  std::vector<std::string> names;
  while (auto line = client->next(patience)) {
    auto message = control::Message::parse(*line);
    if (!message || message->text_or_empty("type") == "end") break;
    if (kind == NameKind::peer) {
      for (const control::Message& peer : message->list("peers")) take_name(peer, question.member, names);
      break;  // netd's answer is one line
    }
    if (message->text_or_empty("type") == question.type) take_name(*message, question.member, names);
  }
  return names;
}

}  // namespace clawpatrol::cpctl
