// Bodies of the messages that an agent sends. Views into the body; nothing is copied.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

#include "parsers/bytes.h"

namespace clawpatrol::postgres {

template <class Message>
using Read = std::expected<Message, Malformed>;

struct Query {
  std::string_view text;
};

struct Parse {
  std::string_view name;
  std::string_view text;
  std::uint16_t type_count = 0;
  std::string_view types;  // type_count times 4 bytes
};

// Parameter values of a Bind or FunctionCall, one after the other. Checked when the message was read.
class Values {
 public:
  Values() = default;
  Values(std::uint16_t count, std::string_view raw) : count_(count), raw_(raw) {}
  std::uint16_t count() const { return count_; }
  std::string_view raw() const { return raw_; }

  // Calls `visit(index, std::optional<std::string_view>)`; nullopt is SQL NULL.
  template <class Visit>
  void for_each(Visit visit) const {
    Reader reader(raw_);
    for (std::uint16_t i = 0; i < count_; ++i) {
      const std::int32_t size = reader.i32();
      if (size < 0)
        visit(i, std::optional<std::string_view>());
      else
        visit(i, std::optional<std::string_view>(reader.bytes(static_cast<std::size_t>(size))));
    }
  }

 private:
  std::uint16_t count_ = 0;
  std::string_view raw_;
};

struct Bind {
  std::string_view portal;
  std::string_view statement;
  std::string_view after_names;  // everything behind the two names, as sent
  std::uint16_t format_count = 0;
  std::string_view formats;  // format_count times 2 bytes
  Values values;
  std::uint16_t result_format_count = 0;
  std::string_view result_formats;

  bool is_binary(std::uint16_t index) const;  // whether parameter `index` is in binary form
};

struct Describe {  // Close has the same form
  char kind = 0;   // 'S' statement, 'P' portal
  std::string_view name;
};

struct Execute {
  std::string_view portal;
  std::uint32_t max_rows = 0;
};

struct FunctionCall {
  std::uint32_t function = 0;
  Values values;
};

Read<Query> read_query(std::string_view body);
Read<Parse> read_parse(std::string_view body);
Read<Bind> read_bind(std::string_view body);
Read<Describe> read_describe(std::string_view body);
Read<Execute> read_execute(std::string_view body);
Read<FunctionCall> read_function_call(std::string_view body);
// Sync, Flush, CopyDone, Terminate.
bool is_empty_message(char type);

// The names at the start of a Parse (one) or Bind (two) of which only a first part is there.
struct BindNames {
  std::string_view portal;
  std::string_view statement;
};
std::optional<std::string_view> peek_parse_name(std::string_view prefix);
std::optional<BindNames> peek_bind_names(std::string_view prefix);

}  // namespace clawpatrol::postgres
