#include "daemon/credentials/http/response.h"

#include <algorithm>
#include <utility>

#include "parsers/http1/text.h"

namespace clawpatrol::credentials {
namespace {

using Done = std::expected<void, std::string_view>;
using http::Field;

std::vector<std::string> codings_of(const http::Fields& fields) {
  std::vector<std::string> codings;
  for (const Field& field : fields) {
    if (!http1::same_name(field.name, "content-encoding")) continue;
    http1::each_member(field.value, [&](std::string_view coding) {
      codings.push_back(http1::lower_case(coding));
      return true;
    });
  }
  return codings;
}

// It has another length, and other bytes, than the server said.
void forget_coding(http::ResponseHead& head) {
  head.content_length.reset();
  std::erase_if(head.fields, [](const Field& field) {
    return http1::same_name(field.name, "content-encoding") || http1::same_name(field.name, "content-md5") ||
           http1::same_name(field.name, "content-digest") || http1::same_name(field.name, "repr-digest") ||
           http1::same_name(field.name, "digest");
  });
}

}  // namespace

// What Finder reads as one byte: ten characters of escape (&#x000041;), each of which may be escaped in ten,
// and up to four line ends between any two of a pattern.
std::uint64_t part_margin(const Patterns& patterns) {
  constexpr std::uint64_t longest_escape = 10 * (10 + 4), least = 64 << 10;
  return std::max(least, patterns.longest() * longest_escape);
}

Done CleanResponse::head(http::ResponseHead& head) {
  if (!patterns_) return {};
  is_part_ = head.status == 206;
  if (is_part_ && !part_) return std::unexpected("a part of a body that was not asked for in parts");
  if (is_part_)
    if (Done narrowed = part_->narrow(head); !narrowed) return narrowed;
  in_heads_ += scrub(patterns_, head.fields);
  if (head.status < 200 || !head.has_body) return {};
  if (http::has_coded_messages(head.fields))
    return std::unexpected("messages in a coding that the gateway does not look into");
  const std::vector<std::string> codings = codings_of(head.fields);
  decoder_ = http::make_decoder(codings, http::Members::many);
  if (!decoder_) return std::unexpected("a coding that the gateway cannot look into");
  decodes_ = std::ranges::any_of(codings, [](const std::string& coding) { return coding != "identity"; });
  if (decodes_ && is_part_) return std::unexpected("a part of a compressed body");
  if (decodes_) forget_coding(head);
  scrubber_.emplace(patterns_);
  return {};
}

Done CleanResponse::feed(std::string_view& bytes) {
  text_.clear();
  if (!scrubber_) {
    sent_ = std::exchange(bytes, {});
    return {};
  }
  begun_ |= !bytes.empty();
  Done fed;
  if (decodes_) {
    plain_.clear();
    fed = decoder_->feed(bytes, plain_);
    scrubber_->feed(plain_, text_);
  } else {
    scrubber_->feed(std::exchange(bytes, {}), text_);
  }
  scrubber_->release_few(text_);
  sent_ = is_part_ ? part_->cut(text_) : text_;
  return fed;
}

Done CleanResponse::finish() {
  text_.clear();
  if (scrubber_) scrubber_->finish(text_);
  sent_ = is_part_ ? part_->cut(text_) : text_;
  if (is_part_ && !part_->is_whole()) return std::unexpected("a part of a body that is cut off");
  // An empty body of a coding is none at all.
  if (decodes_ && begun_ && !decoder_->ended()) return std::unexpected("a compressed body that is cut off");
  return {};
}

void CleanResponse::trailers(http::Fields& fields) {
  if (patterns_) in_heads_ += scrub(patterns_, fields);
}

}  // namespace clawpatrol::credentials
