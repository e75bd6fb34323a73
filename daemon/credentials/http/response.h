// A response to a request that held a secret, on its way to the agent: its codings are undone, and what it
// says of the secret is overwritten, in heads, bodies and trailers.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/credentials/http/part.h"
#include "daemon/credentials/http/scrub.h"
#include "parsers/http/decoder.h"
#include "parsers/http/message.h"

namespace clawpatrol::credentials {

// As long as a secret can stand in a text whose every byte is escaped twice over.
std::uint64_t part_margin(const Patterns& patterns);

class CleanResponse {
 public:
  // `patterns` may be null: nothing is looked for, and everything passes as it is. `part`: what was asked for
  // of a body, with a margin of part_margin().
  explicit CleanResponse(std::shared_ptr<const Patterns> patterns, std::optional<Part> part = {})
      : patterns_(std::move(patterns)), part_(part) {}

  // Each head, those below 200 too, before it is sent on. The error, a literal: this response is not to be
  // sent at all: a part of a body that was not asked for, or a coding that is not known.
  std::expected<void, std::string_view> head(http::ResponseHead& head);

  // Some of the body: what may be sent stands in text() until the next call, and as long as they do. Call
  // again with what is left of `bytes` while there is, or while more().
  std::expected<void, std::string_view> feed(std::string_view& bytes);
  bool more() const { return decoder_ && decoder_->more(); }
  // After the last bytes: the error is of a body that is cut off.
  std::expected<void, std::string_view> finish();
  std::string_view text() const { return sent_; }

  void trailers(http::Fields& fields);
  std::uint64_t overwritten() const { return in_heads_ + (scrubber_ ? scrubber_->overwritten() : 0); }

 private:
  std::shared_ptr<const Patterns> patterns_;
  std::optional<Part> part_;
  bool is_part_ = false;
  std::unique_ptr<http::Decoder> decoder_;
  std::optional<Scrubber> scrubber_;
  bool decodes_ = false, begun_ = false;
  std::string plain_, text_;
  std::string_view sent_;
  std::uint64_t in_heads_ = 0;
};

}  // namespace clawpatrol::credentials
