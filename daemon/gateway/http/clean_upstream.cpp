#include "daemon/gateway/http/clean_upstream.h"

namespace clawpatrol::http {

Task<std::expected<BodyPart, Error>> CleanUpstream::read(Deadline deadline) {
  while (true) {
    auto part = co_await server_.read(deadline);
    if (!part || !scrubber_) co_return part;
    text_.clear();
    scrubber_->feed(part->bytes, text_);
    scrubber_->release_few(text_);
    if (part->end) scrubber_->finish(text_);
    part->bytes = text_;
    if (!text_.empty() || part->end) co_return part;
  }
}

}  // namespace clawpatrol::http
