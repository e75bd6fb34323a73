#include "parsers/http/decoder.h"

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>

#include "parsers/http1/text.h"

namespace clawpatrol::http {
namespace {

using Fed = std::expected<void, std::string_view>;
constexpr std::string_view broken = "a compressed body that is broken";

// One coding. Counts what goes in and out, and makes room for one step.
class Stage : public Decoder {
 public:
  Fed feed(std::string_view& bytes, std::string& out) final {
    if (ended_ && bytes.empty()) return {};
    if (ended_ && !begin_again()) return std::unexpected(broken);
    ended_ = false;
    const std::size_t given = bytes.size(), before = out.size();
    out.resize(before + decoder_step);
    std::size_t room = decoder_step;
    const bool right = undo(bytes, out.data() + before, room);
    out.resize(before + decoder_step - room);
    more_ = room == 0 && !ended_;
    in_ += given - bytes.size();
    out_ += decoder_step - room;
    if (!right) return std::unexpected(broken);
    if (out_ > ratio_free_bytes && out_ / max_ratio > in_)
      return std::unexpected("a compressed body that expands too far");
    return {};
  }
  bool more() const final { return more_; }
  bool ended() const final { return ended_; }

 protected:
  // Takes from `bytes`, writes to `to`, where there is `room`; leaves what is left of both.
  virtual bool undo(std::string_view& bytes, char* to, std::size_t& room) = 0;
  // Whether another member may follow the one that has ended; it is then awaited.
  virtual bool begin_again() { return false; }
  bool ended_ = false;

 private:
  bool more_ = false;
  std::uint64_t in_ = 0, out_ = 0;
};

class Inflater final : public Stage {
 public:
  explicit Inflater(int window_bits, Members members = Members::one) : members_(members) {
    usable_ = inflateInit2(&stream_, window_bits) == Z_OK;
  }
  ~Inflater() override { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

 private:
  bool undo(std::string_view& bytes, char* to, std::size_t& room) override {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(std::min<std::size_t>(bytes.size(), 1u << 30));
    stream_.next_out = reinterpret_cast<Bytef*>(to);
    stream_.avail_out = static_cast<uInt>(room);
    const std::size_t given = stream_.avail_in;
    const int status = usable_ ? inflate(&stream_, Z_NO_FLUSH) : Z_STREAM_ERROR;
    bytes.remove_prefix(given - stream_.avail_in);
    room = stream_.avail_out;
    ended_ = status == Z_STREAM_END;
    return ended_ || status == Z_OK || status == Z_BUF_ERROR;  // the last: nothing to do
  }

  bool begin_again() override { return members_ == Members::many && inflateReset(&stream_) == Z_OK; }

  z_stream stream_{};
  Members members_;
  bool usable_ = false;
};

class Unbrotlier final : public Stage {
 private:
  bool undo(std::string_view& bytes, char* to, std::size_t& room) override {
    if (!state_) return false;
    std::size_t left = bytes.size();
    auto* in = reinterpret_cast<const std::uint8_t*>(bytes.data());
    auto* out = reinterpret_cast<std::uint8_t*>(to);
    const auto status = BrotliDecoderDecompressStream(state_.get(), &left, &in, &room, &out, nullptr);
    bytes.remove_prefix(bytes.size() - left);
    ended_ = status == BROTLI_DECODER_RESULT_SUCCESS;
    return status != BROTLI_DECODER_RESULT_ERROR;
  }

  std::unique_ptr<BrotliDecoderState, void (*)(BrotliDecoderState*)> state_{
      BrotliDecoderCreateInstance(nullptr, nullptr, nullptr), BrotliDecoderDestroyInstance};
};

class Unzstder final : public Stage {
 public:
  explicit Unzstder(Members members) : members_(members) {
    if (context_) ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, max_zstd_window_log);
  }

 private:
  bool undo(std::string_view& bytes, char* to, std::size_t& room) override {
    if (!context_) return false;
    // A frame that is skipped is nothing to one reader and a second frame to another.
    constexpr std::string_view magic("\x28\xb5\x2f\xfd", 4);
    for (; begun_ < magic.size() && begun_ < seen_ + bytes.size(); ++begun_)
      if (bytes[begun_ - seen_] != magic[begun_]) return false;
    ZSTD_inBuffer source{bytes.data(), bytes.size(), 0};
    ZSTD_outBuffer target{to, room, 0};
    const std::size_t status = ZSTD_decompressStream(context_.get(), &target, &source);
    bytes.remove_prefix(source.pos);
    seen_ += source.pos;
    room -= target.pos;
    ended_ = status == 0;
    return !ZSTD_isError(status);
  }

  bool begin_again() override {
    begun_ = seen_ = 0;
    return members_ == Members::many;
  }

  Members members_;
  std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context_{ZSTD_createDCtx(), ZSTD_freeDCtx};
  std::size_t begun_ = 0;  // bytes of the magic number that were right
  std::size_t seen_ = 0;
};

class Identity final : public Decoder {
 public:
  Fed feed(std::string_view& bytes, std::string& out) override {
    out.append(bytes);
    bytes = {};
    return {};
  }
  bool more() const override { return false; }
  bool ended() const override { return true; }
};

// What the outer one gives is the inner one's.
class Both final : public Decoder {
 public:
  Both(std::unique_ptr<Decoder> outer, std::unique_ptr<Decoder> inner)
      : outer_(std::move(outer)), inner_(std::move(inner)) {}

  Fed feed(std::string_view& bytes, std::string& out) override {
    if (left().empty() && !inner_->more()) {
      between_.clear();
      taken_ = 0;
      if (auto fed = outer_->feed(bytes, between_); !fed) return fed;
    }
    std::string_view rest = left();
    auto fed = inner_->feed(rest, out);
    taken_ = between_.size() - rest.size();
    return fed;
  }
  bool more() const override { return !left().empty() || inner_->more() || outer_->more(); }
  bool ended() const override { return outer_->ended() && inner_->ended() && left().empty(); }

 private:
  std::string_view left() const { return std::string_view(between_).substr(taken_); }

  std::unique_ptr<Decoder> outer_, inner_;
  std::string between_;
  std::size_t taken_ = 0;
};

std::unique_ptr<Decoder> make_stage(std::string_view coding, Members members) {
  if (coding == "gzip" || coding == "x-gzip") return std::make_unique<Inflater>(16 + MAX_WBITS, members);
  if (coding == "deflate") return std::make_unique<Inflater>(MAX_WBITS);
  if (coding == "br") return std::make_unique<Unbrotlier>();
  if (coding == "zstd") return std::make_unique<Unzstder>(members);
  return nullptr;
}

}  // namespace

std::unique_ptr<Decoder> make_decoder(const std::vector<std::string>& codings, Members members) {
  std::unique_ptr<Decoder> all;
  if (codings.size() > max_codings) return nullptr;
  for (const std::string& coding : codings) {
    if (coding == "identity") continue;
    auto stage = make_stage(coding, members);
    if (!stage) return nullptr;
    all = all ? std::make_unique<Both>(std::move(stage), std::move(all)) : std::move(stage);
  }
  return all ? std::move(all) : std::make_unique<Identity>();
}

bool has_coded_messages(const Fields& fields) {
  return std::ranges::any_of(fields, [](const Field& field) {
    const bool says = http1::same_name(field.name, "grpc-encoding") ||
                      http1::same_name(field.name, "connect-content-encoding");
    return says && http1::lower_case(http1::trimmed(field.value)) != "identity";
  });
}

}  // namespace clawpatrol::http
