// What an upstream says of a secret is not what an agent hears: each occurrence, in any of the forms that
// Finder knows, is overwritten by the credential's stand-in, byte for byte, so that lengths stay what they
// are.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/credentials/http/finder.h"
#include "parsers/http/message.h"

namespace clawpatrol::credentials {

// A body, or anything else that is a stream. Holds back only what may still become a secret: at most the
// longest way to write one.
class Scrubber {
 public:
  explicit Scrubber(std::shared_ptr<const Patterns> patterns)
      : patterns_(std::move(patterns)), finder_(*patterns_) {}

  // Appends to `out` what is certain.
  void feed(std::string_view bytes, std::string& out);
  // At the end of what came at once: a few bytes are not worth a reader that waits for them, and writes only
  // then what the stream goes on with. What is given away is at most three bytes, and a sixth, of a secret.
  void release_few(std::string& out);
  // The rest, at the end of the stream.
  void finish(std::string& out);

  // All of a text by itself, where no stream is fed; the number of occurrences in it.
  std::size_t overwrite_in(std::string& text);

  std::uint64_t overwritten() const { return overwritten_; }  // occurrences
  std::size_t held() const { return held_.size(); }

 private:
  void overwrite();
  void release(std::uint64_t until, std::string& out);

  std::shared_ptr<const Patterns> patterns_;
  Finder finder_;
  std::vector<Found> found_;
  std::string text_;  // of overwrite_in()
  std::string held_;  // from held_from_ to the finder's position
  std::uint64_t held_from_ = 0;
  std::uint64_t written_to_ = 0;  // the end of what was overwritten last
  std::uint64_t overwritten_ = 0;
};

// All of a text; the number of occurrences that were overwritten.
std::size_t scrub(const std::shared_ptr<const Patterns>& patterns, std::string& text);
std::size_t scrub(const std::shared_ptr<const Patterns>& patterns, http::Fields& fields);

}  // namespace clawpatrol::credentials
