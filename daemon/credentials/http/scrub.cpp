#include "daemon/credentials/http/scrub.h"

#include <algorithm>
#include <cstring>

namespace clawpatrol::credentials {

void Scrubber::feed(std::string_view bytes, std::string& out) {
  finder_.feed(bytes, found_);
  if (held_.empty() && found_.empty() && finder_.settled() == finder_.position()) {
    out.append(bytes);  // the ordinary case
    held_from_ = finder_.position();
    return;
  }
  held_.append(bytes);
  overwrite();
  release(std::max(finder_.settled(), held_from_), out);
}

void Scrubber::release_few(std::string& out) {
  const std::uint64_t few = std::min<std::uint64_t>(3, patterns_->shortest() / 6);
  if (finder_.unfinished() <= few) release(finder_.position(), out);
}

// What is found begins where nothing was released, since it was not settled; but for a few bytes
// (release_few). Patterns may overlap: each is overwritten whole.
void Scrubber::overwrite() {
  std::ranges::sort(found_, {}, &Found::begin);
  for (const Found& found : found_) {
    if (found.end <= held_from_) continue;
    const bool plain = found.pattern->form == Patterns::Form::plain;
    const std::uint64_t begin = std::max(found.begin, held_from_);
    std::string_view stand_in = plain ? patterns_->stand_in(*found.pattern) : "";
    stand_in.remove_prefix(std::min<std::size_t>(begin - found.begin, stand_in.size()));
    char* text = held_.data() + (begin - held_from_);
    const std::size_t size = found.end - begin;
    std::memset(text, plain ? '*' : '0', size);
    std::memcpy(text, stand_in.data(), std::min(size, stand_in.size()));
    if (found.end > written_to_) ++overwritten_;
    written_to_ = std::max(written_to_, found.end);
  }
  found_.clear();
}

void Scrubber::release(std::uint64_t until, std::string& out) {
  out.append(held_, 0, until - held_from_);
  held_.erase(0, until - held_from_);
  held_from_ = until;
}

void Scrubber::finish(std::string& out) {
  release(finder_.position(), out);
}

std::size_t Scrubber::overwrite_in(std::string& text) {
  const std::uint64_t before = overwritten_;
  text_.clear();
  feed(text, text_);
  finish(text_);
  finder_.restart();
  if (overwritten_ > before) text = text_;
  return overwritten_ - before;
}

std::size_t scrub(const std::shared_ptr<const Patterns>& patterns, std::string& text) {
  return Scrubber(patterns).overwrite_in(text);
}

std::size_t scrub(const std::shared_ptr<const Patterns>& patterns, http::Fields& fields) {
  Scrubber scrubber(patterns);
  for (http::Field& field : fields) {
    scrubber.overwrite_in(field.value);
    scrubber.overwrite_in(field.name);
  }
  return scrubber.overwritten();
}

}  // namespace clawpatrol::credentials
