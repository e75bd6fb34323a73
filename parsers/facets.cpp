#include "parsers/facets.h"

namespace clawpatrol {

std::string_view name_of(ActionKind kind) {
  switch (kind) {
    case ActionKind::session: return "session";
    case ActionKind::read: return "read";
    case ActionKind::write: return "write";
    case ActionKind::admin: return "admin";
    case ActionKind::exec: return "exec";
  }
  __builtin_unreachable();
}

std::string_view name_of(ActionType type) {
  switch (type) {
    case ActionType::statement: return "statement";
    case ActionType::request: return "request";
    case ActionType::login: return "login";
    case ActionType::cancel: return "cancel";
    case ActionType::function_call: return "function_call";
    case ActionType::replication: return "replication";
    case ActionType::dns: return "dns";
    case ActionType::connect: return "connect";
  }
  __builtin_unreachable();
}

std::string_view name_of(Unknown why) {
  switch (why) {
    case Unknown::not_applicable: return "not applicable";
    case Unknown::unparseable: return "unparseable";
    case Unknown::over_limit: return "over a limit";
    case Unknown::pending: return "not known yet";
    case Unknown::unread_code: return "runs code that was not read";
    case Unknown::undecodable: return "undecodable";
  }
  __builtin_unreachable();
}

}  // namespace clawpatrol
