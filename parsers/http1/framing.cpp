#include "parsers/http1/framing.h"

#include <algorithm>
#include <array>

#include "parsers/http1/text.h"

namespace clawpatrol::http1 {
namespace {

using Refused = std::unexpected<Malformed>;

Refused refuse(std::string_view why) {
  return Refused(Malformed{why});
}

template <std::size_t n>
bool is_any_of(std::string_view name, const std::array<std::string_view, n>& names) {
  return std::ranges::any_of(names, [name](std::string_view other) { return same_name(name, other); });
}

// Of these one value decides, and servers differ in which of two they take.
constexpr std::array<std::string_view, 6> single = {
    "content-length", "transfer-encoding", "host", "content-type", "expect", "authorization"};

// What a server or a gateway before it takes for its own, whoever wrote it. With "_" in the place of "-" it
// is another name here, and the same to a server that makes variables of headers.
constexpr std::array<std::string_view, 8> weighty = {
    "content-length",   "transfer-encoding", "host",    "content-type",
    "content-encoding", "connection",        "upgrade", "expect"};

// What belongs to the connection and ends at the gateway.
constexpr std::array<std::string_view, 7> of_connection = {
    "connection", "keep-alive", "te", "upgrade", "proxy-connection", "http2-settings", "trailer"};

std::size_t count(const Head& head, std::string_view name) {
  return static_cast<std::size_t>(std::ranges::count_if(
      head.headers, [name](const Header& header) { return same_name(header.name, name); }));
}

bool is_disguised(std::string_view name) {
  if (!name.contains('_')) return false;
  std::string plain(name);
  std::ranges::replace(plain, '_', '-');
  return is_any_of(plain, weighty);
}

std::expected<void, Malformed> check_names(const Head& head) {
  for (std::string_view name : single)
    if (count(head, name) > 1) return refuse("a header that must stand once stands twice");
  for (const Header& header : head.headers)
    if (is_disguised(header.name)) return refuse("header that some servers read under another name");
  return {};
}

}  // namespace

// Digits, and no zero before others: that would be octal to some.
std::expected<std::uint64_t, Malformed> read_length(std::string_view text) {
  if (text.empty() || !std::ranges::all_of(text, is_digit)) return refuse("Content-Length is not a number");
  if (text.size() > 1 && text[0] == '0') return refuse("Content-Length begins with zero");
  if (text.size() > max_length_digits) return refuse("Content-Length is too long");
  std::uint64_t value = 0;
  for (char c : text) value = value * 10 + static_cast<std::uint64_t>(c - '0');
  return value;
}

std::expected<void, Malformed> read_framing(Head& head, std::string_view raw_transfer_encoding) {
  if (auto names = check_names(head); !names) return names;
  const bool encoded = count(head, "transfer-encoding") > 0, sized = count(head, "content-length") > 0;
  if (encoded && sized) return refuse("Content-Length beside Transfer-Encoding");
  if (encoded) {
    if (head.minor_version == 0) return refuse("Transfer-Encoding in HTTP/1.0");
    // At most spaces before it and nothing behind: some do not take a tab, or what has one behind, for white
    // space, and then this for no coding at all.
    std::string_view value = raw_transfer_encoding.substr(std::string_view("transfer-encoding:").size());
    while (value.starts_with(' ')) value.remove_prefix(1);
    if (!same_name(value, "chunked")) return refuse("Transfer-Encoding is not chunked");
    head.framing = Framing::chunked;
  }
  if (sized) {
    auto length = read_length(head.only("content-length"));
    if (!length) return Refused(length.error());
    head.framing = Framing::length;
    head.content_length = *length;
  }
  return {};
}

std::expected<void, Malformed> read_connection(Head& head) {
  bool close = false, keep = false, upgrade = false, bad = false;
  for (const Header& header : head.headers) {
    if (!same_name(header.name, "connection")) continue;
    each_member(header.value, [&](std::string_view option) {
      close |= same_name(option, "close");
      keep |= same_name(option, "keep-alive");
      upgrade |= same_name(option, "upgrade");
      // To name a header here is to have it dropped on the way: what was judged would not be what is sent.
      bad |= !is_token(option) || (!is_any_of(option, of_connection) && count(head, option) > 0);
      return true;
    });
  }
  if (bad) return refuse("Connection names a header that is not the connection's");
  head.keep_alive = !close && (head.minor_version == 1 || keep);
  if (upgrade && count(head, "upgrade") > 1) return refuse("more than one Upgrade");
  if (upgrade) head.upgrade = head.only("upgrade");
  if (count(head, "expect") == 0) return {};
  if (!same_name(head.only("expect"), "100-continue")) return refuse("unknown Expect");
  head.expects_continue = head.minor_version == 1 && head.framing != Framing::none;
  return {};
}

bool matters_in_trailers(std::string_view name) {
  constexpr std::array<std::string_view, 30> names = {"age",
                                                      "authorization",
                                                      "cache-control",
                                                      "connection",
                                                      "content-encoding",
                                                      "content-length",
                                                      "content-range",
                                                      "content-type",
                                                      "cookie",
                                                      "date",
                                                      "expect",
                                                      "expires",
                                                      "forwarded",
                                                      "host",
                                                      "if-match",
                                                      "if-none-match",
                                                      "keep-alive",
                                                      "location",
                                                      "max-forwards",
                                                      "pragma",
                                                      "range",
                                                      "set-cookie",
                                                      "te",
                                                      "trailer",
                                                      "transfer-encoding",
                                                      "upgrade",
                                                      "vary",
                                                      "via",
                                                      "warning",
                                                      "www-authenticate"};
  std::string plain(name);
  std::ranges::replace(plain, '_', '-');
  const std::string low = lower_case(plain);
  return is_any_of(plain, names) || low.starts_with("proxy-") || low.starts_with("x-forwarded-") ||
         low.starts_with("x-http-method") || low.starts_with("x-amz-security-token") ||
         low.starts_with("impersonate-");
}

}  // namespace clawpatrol::http1
