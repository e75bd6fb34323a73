// Lines of JSON, written and read: the control protocol's requests and answers, and lines of the audit log.
// This is the only door to the JSON library.
#pragma once

#include <concepts>
#include <cstdint>
#include <expected>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace clawpatrol::control {

// Writes one JSON object, members in the order of the calls, ASCII only.
class JsonObject {
 public:
  JsonObject& add(std::string_view key, std::string_view text);
  JsonObject& add(std::string_view key, const char* text) { return add(key, std::string_view(text)); }
  JsonObject& add(std::string_view key, const std::string& text) { return add(key, std::string_view(text)); }
  JsonObject& add(std::string_view key, bool value) { return add_json(key, value ? "true" : "false"); }
  JsonObject& add(std::string_view key, double value);
  template <std::integral Number>
  JsonObject& add(std::string_view key, Number value) {
    return add_json(key, std::to_string(value));
  }
  // `json` is JSON already.
  JsonObject& add_json(std::string_view key, std::string_view json);
  std::string text() const { return "{" + members_ + "}"; }

 private:
  std::string members_;
};

std::string json_string(std::string_view text);
std::string json_array(const std::vector<std::string>& elements_of_json);
std::string json_texts(const std::vector<std::string>& texts);

// The first two members of every line that either side sends.
JsonObject message_of_type(std::string_view type);

// A JSON value that was read. Forgiving: what is absent or of another type is nothing. Bytes that were not
// UTF-8 (lone surrogates, as the audit log writes them) read as the four characters \xNN.
class Message {
 public:
  Message() = default;  // null
  // One object on one line, nested at most 64 deep; the error says what is wrong, without the text.
  static std::expected<Message, std::string> parse(std::string_view line);

  bool has(std::string_view key) const;
  std::optional<std::string> text(std::string_view key) const;
  std::string text_or_empty(std::string_view key) const { return text(key).value_or(""); }
  std::optional<std::int64_t> integer(std::string_view key) const;
  std::optional<std::uint64_t> natural(std::string_view key) const;  // not of negative numbers
  std::uint64_t natural_or_zero(std::string_view key) const { return natural(key).value_or(0); }
  bool flag(std::string_view key) const;  // true only for the literal true
  Message object(std::string_view key) const;
  std::vector<Message> list(std::string_view key) const;

  bool is_null() const;
  bool is_object() const;
  std::optional<std::string> as_text() const;
  std::vector<Message> elements() const;                         // of a list
  std::vector<std::pair<std::string, Message>> members() const;  // of an object, in the order of the text
  std::string json() const;                                      // compact, ASCII

 private:
  using Json = nlohmann::ordered_json;
  explicit Message(std::shared_ptr<const Json> value) : value_(std::move(value)) {}
  const Json* find(std::string_view key) const;
  Message part(const Json& value) const;

  std::shared_ptr<const Json> value_;  // shared by a value and its parts, which alias the whole
};

}  // namespace clawpatrol::control
