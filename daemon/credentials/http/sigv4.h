// AWS Signature Version 4, made anew with the real key over the request as the agent signed it with another:
// in the Authorization header, or in the query of a presigned URL.
//
//   canonical  method \n path \n query \n headers \n signed names \n hash of the payload
//   to sign    AWS4-HMAC-SHA256 \n time \n date/region/service/aws4_request \n hash of the canonical request
//
// Time, scope, signed headers and the payload's hash are the agent's: what it signed is what is signed.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/credentials/http/value.h"
#include "parsers/http/message.h"

namespace clawpatrol::credentials {

// How the chunks of an aws-chunked body are signed.
enum class ChunkSignature : std::uint8_t { none, payload, payload_and_trailer };

struct Signed {
  std::string signature;  // of the request: the first of a chain, where chunks are signed
  std::string time, scope;
  ChunkSignature chunks = ChunkSignature::none;
};

// Whether the payload's hash, which is signed, is not told by the head: sign() then needs the body.
bool needs_payload(const http::RequestHead& head);

struct SignedAs {
  const Value& value;
  std::uint16_t default_port = 443;         // that Host does not name
  std::optional<std::string_view> payload;  // the whole of it, where it is here
};

// Changes the Authorization header, or the query, and x-amz-security-token beside it. Headers that were
// signed and are not sent on are not signed any more. The error, a literal, says why it cannot be done; the
// head is then not to be sent.
std::expected<Signed, std::string_view> sign(http::RequestHead& head, const SignedAs& as);

// Whether two heads differ in their signatures alone.
bool same_but_for_signature(const http::RequestHead& left, const http::RequestHead& right);

// The key that signs: HMAC over date, region, service, "aws4_request". `scope` has these four.
Secret signing_key(std::string_view secret, std::string_view scope);

// Re-signs a body of Content-Encoding aws-chunked as it streams:
//
//   size-in-hex ";chunk-signature=" signature CRLF data CRLF ... "0;chunk-signature=..." CRLF
//   *( trailer CRLF ) ["x-amz-trailer-signature:" signature CRLF] CRLF
//
// A chunk's signature stands before its data and is over all of it, so that a chunk is held until it is
// whole: at most longest_chunk bytes. What comes out is as long as what went in.
class ChunkSigner {
 public:
  static constexpr std::size_t longest_chunk = 1 << 20;

  ChunkSigner(const Signed& request, const Value& value);
  // Appends what is ready; the error, a literal, is of a body that is not what its head says.
  std::expected<void, std::string_view> feed(std::string_view bytes, std::string& out);
  bool ended() const { return state_ == State::over; }
  std::size_t held() const { return buffer_.capacity(); }  // bytes of memory

 private:
  enum class State : std::uint8_t { size, data, trailers, over };
  std::string_view left() const { return std::string_view(buffer_).substr(done_); }
  std::expected<bool, std::string_view> step(std::string& out);  // false: more must come
  std::expected<bool, std::string_view> size_line();
  std::expected<bool, std::string_view> chunk(std::string& out);
  std::expected<bool, std::string_view> trailers(std::string& out);
  std::string sign_next(std::string_view kind, std::string_view hashes);

  Secret key_;
  std::string previous_, time_, scope_;
  ChunkSignature kind_;
  State state_ = State::size;
  std::string buffer_;
  std::size_t done_ = 0;             // of it
  std::string size_;                 // as it is written
  std::size_t data_ = 0, line_ = 0;  // of the chunk, and of the line before it
};

}  // namespace clawpatrol::credentials
