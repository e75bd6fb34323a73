#include "daemon/credentials/http/part.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "parsers/http1/text.h"

namespace clawpatrol::credentials {
namespace {

using http::Field;
using http::Fields;

constexpr std::size_t most_digits = 15;  // so that nothing overflows

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, wrong] = std::from_chars(text.data(), end, value);
  if (text.empty() || text.size() > most_digits || wrong != std::errc() || stopped != end)
    return std::nullopt;
  return value;
}

std::string written(std::optional<std::uint64_t> value) {
  return value ? std::to_string(*value) : "";
}

// The field's only value, taken out of the head; nothing where there is none, or several.
std::optional<Field> take(Fields& fields, std::string_view name) {
  std::optional<Field> taken;
  const auto count = std::erase_if(fields, [&](Field& field) {
    if (!http1::same_name(field.name, name)) return false;
    taken = std::move(field);
    return true;
  });
  return count == 1 ? std::move(taken) : std::nullopt;
}

struct Extent {
  std::uint64_t first, last;
  std::optional<std::uint64_t> total;
};

// Content-Range: bytes FIRST-LAST/TOTAL, where the total may be a star.
std::optional<Extent> extent_of(std::string_view value) {
  if (!value.starts_with("bytes ")) return std::nullopt;
  value.remove_prefix(6);
  const std::size_t dash = value.find('-'), slash = value.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || slash < dash) return std::nullopt;
  const auto first = number(value.substr(0, dash)), last = number(value.substr(dash + 1, slash - dash - 1));
  const auto total = number(value.substr(slash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  if (total ? *total <= *last : value.substr(slash + 1) != "*") return std::nullopt;
  return Extent{*first, *last, total};
}

}  // namespace

std::optional<Part> Part::widen(http::RequestHead& head, std::uint64_t margin) {
  const auto range = take(head.fields, "range");
  auto condition = take(head.fields, "if-range");
  if (!range || head.method != "GET" || !range->value.starts_with("bytes=")) return std::nullopt;
  const std::string_view asked = std::string_view(range->value).substr(6);
  const std::size_t dash = std::min(asked.find('-'), asked.size());
  Part part;
  part.first_ = number(asked.substr(0, dash));
  part.last_ = number(asked.substr(std::min(dash + 1, asked.size())));
  part.margin_ = margin;
  // What is no number is none where there is nothing, and one that is not understood everywhere else.
  if (asked != written(part.first_) + "-" + written(part.last_) || (!part.first_ && !part.last_))
    return std::nullopt;
  if (part.first_ && part.last_ && *part.last_ < *part.first_) return std::nullopt;
  std::optional<std::uint64_t> first = part.first_, last = part.last_;
  if (first) first = *first - std::min(*first, margin);
  if (last) last = *last + margin;
  head.fields.push_back({range->name, "bytes=" + written(first) + "-" + written(last)});
  if (condition) head.fields.push_back(std::move(*condition));
  return part;
}

std::expected<void, std::string_view> Part::narrow(http::ResponseHead& head) {
  constexpr auto other = std::unexpected(std::string_view("another part of a body than was asked for"));
  const auto field = take(head.fields, "content-range");
  const auto came = field ? extent_of(field->value) : std::nullopt;
  if (!came || (!first_ && !came->total)) return other;
  const std::uint64_t ends = came->total.value_or(~std::uint64_t{0});
  const std::uint64_t first = first_ ? *first_ : ends - std::min(*last_, ends);
  if (came->first != first - std::min(first, margin_)) return other;
  if (head.content_length && *head.content_length != came->last - came->first + 1) return other;
  // Where more follows than has come, a secret may go on there.
  const bool to_the_end = came->last + 1 == ends;
  const std::uint64_t searched = to_the_end ? came->last : came->last - std::min(came->last, margin_);
  const std::uint64_t last = first_ && last_ ? std::min(*last_, searched) : searched;
  std::erase_if(head.fields, [](const Field& each) {
    return http1::same_name(each.name, "content-md5") || http1::same_name(each.name, "content-digest") ||
           http1::same_name(each.name, "digest");
  });
  if (first > last) {
    if (!to_the_end) return other;
    head.status = 416;
    head.content_length = 0;
    head.fields.push_back({"Content-Range", fmt::format("bytes */{}", ends)});
    return {};
  }
  skip_ = first - came->first;
  left_ = last - first + 1;
  head.content_length = left_;
  head.fields.push_back({"Content-Range", fmt::format("bytes {}-{}/{}", first, last,
                                                      came->total ? std::to_string(ends) : "*")});
  return {};
}

std::string_view Part::cut(std::string_view bytes) {
  const std::uint64_t skipped = std::min<std::uint64_t>(skip_, bytes.size());
  skip_ -= skipped;
  bytes.remove_prefix(skipped);
  bytes = bytes.substr(0, std::min<std::uint64_t>(left_, bytes.size()));
  left_ -= bytes.size();
  return bytes;
}

}  // namespace clawpatrol::credentials
