#include "daemon/control/message.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "daemon/audit/log.h"

namespace clawpatrol::control {
namespace {

constexpr int max_depth = 64;

bool hex4(std::string_view digits, std::uint32_t& value) {
  if (digits.size() < 4) return false;
  value = 0;
  for (char c : digits.substr(0, 4)) {
    std::uint32_t digit;
    if (c >= '0' && c <= '9')
      digit = static_cast<std::uint32_t>(c - '0');
    else if (c >= 'a' && c <= 'f')
      digit = static_cast<std::uint32_t>(c - 'a' + 10);
    else if (c >= 'A' && c <= 'F')
      digit = static_cast<std::uint32_t>(c - 'A' + 10);
    else
      return false;
    value = value * 16 + digit;
  }
  return true;
}

// The value of a \uXXXX at `at`, or 0x10000 where there is none.
std::uint32_t escape_at(std::string_view line, std::size_t at) {
  std::uint32_t value = 0x10000;
  if (line.size() < at + 6 || line[at] != '\\' || line[at + 1] != 'u') return 0x10000;
  return hex4(line.substr(at + 2), value) ? value : 0x10000;
}

bool is_high(std::uint32_t unit) {
  return unit >= 0xd800 && unit <= 0xdbff;
}
bool is_low(std::uint32_t unit) {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

// JSON libraries refuse lone surrogates, which is how a byte that is not UTF-8 is written: they become \xNN.
std::string without_lone_surrogates(std::string_view line) {
  std::string out;
  out.reserve(line.size());
  for (std::size_t at = 0; at < line.size();) {
    if (line[at] != '\\') {
      out.push_back(line[at++]);
      continue;
    }
    std::uint32_t unit = escape_at(line, at);
    if (is_high(unit) && is_low(escape_at(line, at + 6))) {
      out.append(line.substr(at, 12));
      at += 12;
    } else if (is_high(unit) || is_low(unit)) {
      out += fmt::format("\\\\x{:02x}", unit & 0xff);
      at += 6;
    } else {
      out.append(line.substr(at, 2));
      at += 2;
    }
  }
  return out;
}

}  // namespace

JsonObject& JsonObject::add(std::string_view key, std::string_view text) {
  return add_json(key, json_string(text));
}

JsonObject& JsonObject::add(std::string_view key, double value) {
  return add_json(key, fmt::format("{:.3f}", value));
}

JsonObject& JsonObject::add_json(std::string_view key, std::string_view json) {
  if (!members_.empty()) members_ += ',';
  audit::append_json_string(members_, key);
  members_ += ':';
  members_ += json;
  return *this;
}

std::string json_string(std::string_view text) {
  std::string out;
  audit::append_json_string(out, text);
  return out;
}

std::string json_array(const std::vector<std::string>& elements_of_json) {
  return fmt::format("[{}]", fmt::join(elements_of_json, ","));
}

std::string json_texts(const std::vector<std::string>& texts) {
  std::vector<std::string> quoted;
  quoted.reserve(texts.size());
  for (const std::string& text : texts) quoted.push_back(json_string(text));
  return json_array(quoted);
}

JsonObject message_of_type(std::string_view type) {
  JsonObject object;
  object.add("v", 1).add("type", type);
  return object;
}

std::expected<Message, std::string> Message::parse(std::string_view line) {
  bool too_deep = false;
  auto depth_guard = [&too_deep](int depth, Json::parse_event_t, Json&) {
    if (depth > max_depth) too_deep = true;
    return !too_deep;
  };
  Json value = Json::parse(without_lone_surrogates(line), depth_guard, /*allow_exceptions=*/false);
  if (too_deep) return std::unexpected("it nests too deep");
  if (value.is_discarded()) return std::unexpected("it is not JSON");
  if (!value.is_object()) return std::unexpected("it is not a JSON object");
  return Message(std::make_shared<const Json>(std::move(value)));
}

const Message::Json* Message::find(std::string_view key) const {
  if (!value_ || !value_->is_object()) return nullptr;
  auto found = value_->find(key);
  return found == value_->end() ? nullptr : &*found;
}

Message Message::part(const Json& value) const {
  return Message(std::shared_ptr<const Json>(value_, &value));
}

bool Message::has(std::string_view key) const {
  return find(key) != nullptr;
}

std::optional<std::string> Message::text(std::string_view key) const {
  const Json* found = find(key);
  if (!found || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

std::optional<std::int64_t> Message::integer(std::string_view key) const {
  const Json* found = find(key);
  if (!found || !found->is_number_integer()) return std::nullopt;
  return found->get<std::int64_t>();
}

std::optional<std::uint64_t> Message::natural(std::string_view key) const {
  const Json* found = find(key);
  if (!found || !found->is_number_unsigned()) return std::nullopt;
  return found->get<std::uint64_t>();
}

bool Message::flag(std::string_view key) const {
  const Json* found = find(key);
  return found && found->is_boolean() && found->get<bool>();
}

Message Message::object(std::string_view key) const {
  const Json* found = find(key);
  return found && found->is_object() ? part(*found) : Message();
}

std::vector<Message> Message::list(std::string_view key) const {
  const Json* found = find(key);
  return found ? part(*found).elements() : std::vector<Message>();
}

bool Message::is_null() const {
  return !value_ || value_->is_null();
}
bool Message::is_object() const {
  return value_ && value_->is_object();
}

std::optional<std::string> Message::as_text() const {
  if (!value_ || !value_->is_string()) return std::nullopt;
  return value_->get<std::string>();
}

std::vector<Message> Message::elements() const {
  std::vector<Message> parts;
  if (!value_ || !value_->is_array()) return parts;
  for (const Json& element : *value_) parts.push_back(part(element));
  return parts;
}

std::vector<std::pair<std::string, Message>> Message::members() const {
  std::vector<std::pair<std::string, Message>> parts;
  if (!is_object()) return parts;
  for (const auto& [key, value] : value_->items()) parts.emplace_back(key, part(value));
  return parts;
}

std::string Message::json() const {
  return value_ ? value_->dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace) : "null";
}

}  // namespace clawpatrol::control
