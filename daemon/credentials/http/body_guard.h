// A request's body on its way, of which only what holds no placeholder may be sent: as it stands, and under
// the codings that we undo (gzip, deflate, br, zstd).
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/credentials/http/choose.h"
#include "daemon/credentials/http/finder.h"
#include "parsers/http/decoder.h"
#include "parsers/http/message.h"

namespace clawpatrol::credentials {

// What becomes of a body in a coding that we do not undo.
enum class UnknownCoding : std::uint8_t { is_refused, passes };

// Of a body in which the chosen credential's place is, nothing is to be fed: choose() has read it.
class BodyGuard {
 public:
  // `fields` of the request, which name its codings.
  BodyGuard(std::shared_ptr<const Placeholders> placeholders, const http::Fields& fields,
            UnknownCoding unknown);

  // What may be sent now, of this and what came before; valid until the next call, and as long as `bytes`.
  // Or the request is to be refused, also before there is anything of its body.
  std::expected<std::string_view, Refusal> feed(std::string_view bytes);
  // The rest, at the end of the body.
  std::string_view finish();

 private:
  static constexpr std::size_t most_held = 256 << 10;  // of a coded body, as it came

  std::expected<std::string_view, Refusal> feed_plain(std::string_view bytes);
  std::expected<std::string_view, Refusal> feed_coded(std::string_view bytes);
  std::expected<void, Refusal> look_into(std::string_view bytes);
  bool is_settled() const;

  std::shared_ptr<const Placeholders> placeholders_;
  Finder finder_;
  std::vector<Found> found_;
  std::unique_ptr<http::Decoder> decoder_;  // null: the body is as it stands
  bool refused_ = false;                    // its coding is unknown
  std::string plain_;
  std::string held_;  // what may not be sent yet; before it, `sent_` bytes that have been given away
  std::size_t sent_ = 0;
  std::uint64_t held_from_ = 0;  // where in the body held_ begins, without those
};

}  // namespace clawpatrol::credentials
