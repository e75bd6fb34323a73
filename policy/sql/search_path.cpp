#include "policy/sql/search_path.h"

#include <algorithm>
#include <utility>

#include "policy/sql/tokens.h"

namespace clawpatrol::sql {
namespace {

void add_schema(SearchPath& path, std::string_view schema) {
  if (std::ranges::find(path.schemas, schema) != path.schemas.end()) return;
  if (path.schemas.size() == most_schemas)
    path.certain = false;
  else
    path.schemas.emplace_back(schema);
}

// Up to the next comma outside quotes.
std::string_view first_item(std::string_view text) {
  bool quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '"') quoted = !quoted;
    if (text[at] == ',' && !quoted) return text.substr(0, at);
  }
  return text;
}

}  // namespace

const SearchPath& path_of(const SearchPathPointer& path) {
  static const SearchPath by_default{.schemas = {"public"}};
  return path == nullptr ? by_default : *path;
}

SearchPath path_from_names(std::vector<std::string> names) {
  SearchPath path;
  for (const std::string& name : names) {
    if (name == "pg_catalog") path.hides_catalog = &name != &names.front();
    const bool own = name.empty() || name == "pg_catalog" || name.starts_with("pg_temp");
    if (!own) add_schema(path, name);
  }
  return path;
}

// As SplitIdentifierString() of the server: what that refuses, SET refuses.
PathEffect path_from_text(std::string_view value) {
  std::vector<std::string> names;
  constexpr std::string_view space = " \t\n\r\f\v";
  while (value.find_first_not_of(space) != value.npos) {
    const std::string_view item = first_item(value);
    auto parts = qualified_name(item);
    if (!parts || parts->size() != 1)
      return {.kind = PathEffect::Kind::uncertain, .path = {}, .of_role = false};
    names.push_back(std::move(parts->front()));
    value.remove_prefix(std::min(item.size() + 1, value.size()));
  }
  return {.kind = PathEffect::Kind::set, .path = path_from_names(std::move(names)), .of_role = false};
}

SearchPath united(const SearchPath& a, const SearchPath& b) {
  SearchPath both = a;
  both.certain = a.certain && b.certain;
  both.hides_catalog = a.hides_catalog || b.hides_catalog;
  for (const std::string& schema : b.schemas) add_schema(both, schema);
  return both;
}

PathEffect united(const PathEffect& a, const PathEffect& b) {
  using Kind = PathEffect::Kind;
  if (a.kind == Kind::none) return b;
  if (b.kind == Kind::none) return a;
  // After a reset it may be what it was at login, which whoever follows a path keeps in it.
  const bool uncertain = a.kind == Kind::uncertain || b.kind == Kind::uncertain;
  return {.kind = uncertain ? Kind::uncertain : Kind::add,
          .path = united(a.path, b.path),
          .of_role = a.of_role || b.of_role};
}

PathInMessage::PathInMessage(SearchPathPointer before)
    : before_(std::move(before)), now_(before_), seen_(path_of(before_)) {}

void PathInMessage::after(const PathEffect& effect) {
  using Kind = PathEffect::Kind;
  if (effect.kind == Kind::none) return;
  SearchPath next = effect.path;
  // Whose schema $user is, and what the path was at login, the text does not tell.
  const bool untold = effect.kind == Kind::uncertain || (effect.kind == Kind::reset && before_ != nullptr) ||
                      std::erase(next.schemas, user_schema) > 0;
  if (effect.kind != Kind::set) next = united(path_of(now_), next);
  if (effect.kind == Kind::reset && before_ == nullptr) next = united(next, path_of(nullptr));
  if (untold) next.certain = false;
  seen_ = united(seen_, next);
  now_ = std::make_shared<const SearchPath>(std::move(next));
}

void PathInMessage::after_transaction() {
  if (now_ != before_) now_ = std::make_shared<const SearchPath>(seen_);
}

}  // namespace clawpatrol::sql
