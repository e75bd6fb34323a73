#include "daemon/credentials/http/body_guard.h"

#include <algorithm>
#include <utility>

#include "parsers/http1/text.h"

namespace clawpatrol::credentials {
namespace {

using Passed = std::expected<std::string_view, Refusal>;

std::unexpected<Refusal> refused(const char* what) {
  return std::unexpected(Refusal{what});
}

// Those under which the bytes are not what they say. AWS's chunks are framing with signatures.
std::vector<std::string> codings_of(const http::Fields& fields) {
  std::vector<std::string> codings;
  for (const http::Field& field : fields) {
    if (!http1::same_name(field.name, "content-encoding")) continue;
    http1::each_member(field.value, [&](std::string_view coding) {
      const std::string name = http1::lower_case(coding);
      if (name != "identity" && name != "aws-chunked") codings.push_back(name);
      return true;
    });
  }
  return codings;
}

}  // namespace

BodyGuard::BodyGuard(std::shared_ptr<const Placeholders> placeholders, const http::Fields& fields,
                     UnknownCoding unknown)
    : placeholders_(std::move(placeholders)), finder_(*placeholders_->patterns()) {
  const std::vector<std::string> codings = codings_of(fields);
  // A server may answer in the coding that it was asked in.
  refused_ = http::has_coded_messages(fields) && unknown == UnknownCoding::is_refused;
  if (refused_ || codings.empty() || placeholders_->none()) return;
  decoder_ = http::make_decoder(codings);
  refused_ = !decoder_ && unknown == UnknownCoding::is_refused;
}

Passed BodyGuard::feed(std::string_view bytes) {
  if (refused_) return refused("The body is in a coding in which the gateway cannot look for placeholders.");
  held_.erase(0, std::exchange(sent_, 0));
  return decoder_ ? feed_coded(bytes) : feed_plain(bytes);
}

std::expected<void, Refusal> BodyGuard::look_into(std::string_view bytes) {
  finder_.feed(bytes, found_);
  if (found_.empty()) return {};
  return refused("The placeholder of a credential stands in the body, where none may.");
}

// A few bytes are no placeholder, and a server may wait for them before the agent goes on.
bool BodyGuard::is_settled() const {
  return finder_.position() - finder_.settled() < placeholders_->patterns()->shortest() / 2;
}

Passed BodyGuard::feed_plain(std::string_view bytes) {
  if (auto clean = look_into(bytes); !clean) return std::unexpected(clean.error());
  const std::uint64_t settled = std::max(is_settled() ? finder_.position() : finder_.settled(), held_from_);
  const std::size_t certain = settled - std::exchange(held_from_, settled);
  if (!held_.empty()) {
    held_.append(bytes);
    sent_ = certain;
    return std::string_view(held_).substr(0, certain);
  }
  held_.assign(bytes.substr(certain));
  return bytes.substr(0, certain);
}

// All that has come, or nothing: which of its bytes a placeholder would begin in cannot be told.
Passed BodyGuard::feed_coded(std::string_view bytes) {
  const std::string_view all = bytes;
  do {
    plain_.clear();
    if (auto fed = decoder_->feed(bytes, plain_); !fed)
      return refused("The body's coding is not what its Content-Encoding says, or expands too far.");
    if (auto clean = look_into(plain_); !clean) return std::unexpected(clean.error());
  } while (!bytes.empty() || decoder_->more());
  if (held_.empty() && is_settled()) return all;
  if (held_.size() + all.size() > most_held)
    return refused("The body's coding holds too much back in which a placeholder could begin.");
  held_.append(all);
  if (!is_settled()) return std::string_view();
  sent_ = held_.size();
  return std::string_view(held_);
}

std::string_view BodyGuard::finish() {
  held_.erase(0, std::exchange(sent_, 0));
  return held_;
}

}  // namespace clawpatrol::credentials
