#include "daemon/credentials/http/sigv4.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include "parsers/http/target.h"
#include "parsers/http1/text.h"

namespace clawpatrol::credentials {
namespace {

using http::Field;
using http::RequestHead;

constexpr std::string_view algorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view empty_hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
using Digest = std::array<unsigned char, 32>;

std::string hex(std::span<const unsigned char> bytes) {
  std::string text;
  for (unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

std::string sha256(std::string_view text) {
  Digest digest{};
  EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  return hex(digest);
}

void hmac(std::string_view key, std::string_view text, std::span<char> out) {
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       reinterpret_cast<unsigned char*>(out.data()), nullptr);
}

std::string hmac_hex(const Secret& key, std::string_view text) {
  Digest digest{};
  hmac(key.reveal(), text, {reinterpret_cast<char*>(digest.data()), digest.size()});
  return hex(digest);
}

// RFC 3986: everything but letters, digits, "-._~"; in a path "/" too.
std::string uri_encoded(std::string_view text, std::string_view plain) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (http1::is_letter(c) || http1::is_digit(c) || plain.contains(c))
      out += c;
    else
      out.append(1, '%').append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
  }
  return out;
}

struct Pair {
  std::string name, value;  // decoded
  auto operator<=>(const Pair&) const = default;
};

std::optional<std::vector<Pair>> pairs_of(std::string_view query) {
  constexpr std::size_t most_pairs = 1000;
  std::vector<Pair> pairs;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    auto name = http::percent_decoded(pair.substr(0, equals));
    auto value = http::percent_decoded(pair.substr(std::min(equals + 1, pair.size())));
    if (!name || !value || pairs.size() == most_pairs) return std::nullopt;
    pairs.push_back({std::move(*name), std::move(*value)});
  }
  return pairs;
}

std::string query_text(std::vector<Pair> pairs) {
  for (Pair& pair : pairs) pair = {uri_encoded(pair.name, "-._~"), uri_encoded(pair.value, "-._~")};
  std::ranges::sort(pairs);
  std::string text;
  for (const Pair& pair : pairs)
    text += fmt::format("{}{}={}", text.empty() ? "" : "&", pair.name, pair.value);
  return text;
}

std::string value_of_pair(const std::vector<Pair>& pairs, std::string_view name) {
  auto found = std::ranges::find(pairs, name, &Pair::name);
  return found == pairs.end() ? "" : found->value;
}

std::string_view service_of(std::string_view scope) {
  scope.remove_suffix(std::string_view("/aws4_request").size());
  return scope.substr(scope.rfind('/') + 1);
}

bool is_s3(std::string_view service) {
  return service == "s3" || service == "s3-object-lambda" || service == "s3-outposts" ||
         service == "s3express";
}

// S3 takes the path as it is sent; every other service encodes what is sent once more, after it has removed
// dot segments and empty ones.
std::string canonical_path(std::string_view sent, std::string_view service) {
  if (is_s3(service)) return uri_encoded(http::percent_decoded(sent).value_or(std::string(sent)), "-._~/");
  std::vector<std::string_view> kept;
  for (std::string_view rest = sent; !rest.empty();) {
    rest.remove_prefix(1);
    const std::string_view part = rest.substr(0, rest.find('/'));
    rest.remove_prefix(part.size());
    if (part == ".." && !kept.empty()) kept.pop_back();
    if (!part.empty() && part != "." && part != "..") kept.push_back(part);
  }
  std::string path;
  for (std::string_view part : kept) path += "/" + uri_encoded(part, "-._~");
  return path.empty() ? "/" : sent.ends_with('/') ? path + "/" : path;
}

// Runs of spaces are one.
std::string squeezed(std::string_view value) {
  std::string out;
  for (char c : http1::trimmed(value))
    if (c != ' ' || !out.ends_with(' ')) out += c;
  return out;
}

// The values of one name, as they are canonical; none where there is none.
std::optional<std::string> header_value(const RequestHead& head, std::string_view name,
                                        std::uint16_t default_port) {
  if (name == "host") {
    const bool usual = !head.authority.port || *head.authority.port == default_port;
    return usual ? head.authority.host : fmt::format("{}:{}", head.authority.host, *head.authority.port);
  }
  if (name == "content-length" && head.content_length) return std::to_string(*head.content_length);
  std::optional<std::string> joined;
  for (const Field& field : head.fields)
    if (http1::same_name(field.name, name)) joined = (joined ? *joined + "," : "") + squeezed(field.value);
  return joined;
}

// What the agent signed, read from its Authorization header or its query.
struct Given {
  bool in_query = false;
  std::string key_id, scope, names, time, payload;
};

using Read = std::expected<Given, std::string_view>;

// "Credential=a/b, SignedHeaders=c;d, Signature=e" in any order.
std::string parameter(std::string_view header, std::string_view name) {
  std::string value;
  http1::each_member(header.substr(std::min(header.find(' '), header.size())), [&](std::string_view member) {
    if (member.starts_with(name) && member.substr(name.size()).starts_with('='))
      value = member.substr(name.size() + 1);
    return true;
  });
  return value;
}

Read split_scope(Given given, std::string_view credential) {
  const std::size_t slash = credential.find('/');
  if (slash == std::string_view::npos) return std::unexpected("its signature has no scope");
  given.key_id = credential.substr(0, slash);
  given.scope = credential.substr(slash + 1);
  const bool four = std::ranges::count(given.scope, '/') == 3 && given.scope.ends_with("/aws4_request");
  if (!four || given.time.size() != 16 || !given.time.starts_with(given.scope.substr(0, 8)))
    return std::unexpected("its signature's scope is not date/region/service/aws4_request of its date");
  if (given.names.empty()) return std::unexpected("its signature names no headers");
  return given;
}

Read given_in_header(const RequestHead& head, std::string_view authorization) {
  Given given;
  given.names = parameter(authorization, "SignedHeaders");
  given.time = http::value_of(head.fields, "x-amz-date");
  given.payload = http::value_of(head.fields, "x-amz-content-sha256");
  return split_scope(std::move(given), parameter(authorization, "Credential"));
}

Read given_in_query(const std::vector<Pair>& pairs) {
  Given given;
  given.in_query = true;
  given.names = value_of_pair(pairs, "X-Amz-SignedHeaders");
  given.time = value_of_pair(pairs, "X-Amz-Date");
  Read read = split_scope(std::move(given), value_of_pair(pairs, "X-Amz-Credential"));
  if (read && is_s3(service_of(read->scope))) read->payload = "UNSIGNED-PAYLOAD";
  return read;
}

void erase_fields(RequestHead& head, std::string_view name) {
  std::erase_if(head.fields, [&](const Field& field) { return http1::same_name(field.name, name); });
}

constexpr std::string_view token_field = "x-amz-security-token", token_key = "X-Amz-Security-Token";

// What is signed of what is sent: without headers that are not, and the token with its session alone. Each
// name stands once, so that what is signed is no longer than the head.
std::expected<void, std::string_view> choose_names(const RequestHead& head, Given& given,
                                                   std::uint16_t default_port) {
  constexpr std::ptrdiff_t most_named = 256;  // more than a head has
  if (std::ranges::count(given.names, ';') >= most_named)
    return std::unexpected("its signature names too many headers");
  std::vector<std::string> names;
  for (std::string_view rest = given.names; !rest.empty();) {
    const std::string name = http1::lower_case(rest.substr(0, rest.find(';')));
    rest.remove_prefix(std::min(name.size() + 1, rest.size()));
    if (name != token_field && header_value(head, name, default_port)) names.push_back(name);
  }
  const bool with_token = !given.in_query && !http::value_of(head.fields, token_field).empty();
  if (with_token) names.emplace_back(token_field);
  std::ranges::sort(names);
  if (std::ranges::adjacent_find(names) != names.end())
    return std::unexpected("its signature names a header twice");
  given.names = fmt::format("{}", fmt::join(names, ";"));
  return {};
}

void put_token(RequestHead& head, const Value& value, const Given& given) {
  erase_fields(head, token_field);
  if (!given.in_query && !value.session_token.empty())
    head.fields.push_back({std::string(token_field), std::string(value.session_token.reveal())});
}

bool is_of_signature(std::string_view name) {
  return name == "X-Amz-Credential" || name == "X-Amz-SignedHeaders" || name == "X-Amz-Signature" ||
         name == token_key;
}

// Every other pair stays as it was sent, byte for byte.
std::string query_without_signature(std::string_view query) {
  std::string out;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    auto name = http::percent_decoded(pair.substr(0, pair.find('=')));
    if (name && is_of_signature(*name)) continue;
    out += fmt::format("{}{}", out.empty() ? "" : "&", pair);
  }
  return out;
}

std::string_view query_of(const RequestHead& head) {
  const std::size_t mark = head.target.find('?');
  return mark == std::string::npos ? std::string_view() : std::string_view(head.target).substr(mark + 1);
}

std::string query_to_sign(const RequestHead& head, const Value& value, const Given& given,
                          std::string_view credential) {
  std::string query = query_without_signature(query_of(head));
  query += fmt::format("{}X-Amz-Credential={}&X-Amz-SignedHeaders={}", query.empty() ? "" : "&",
                       uri_encoded(credential, "-._~"), uri_encoded(given.names, "-._~"));
  if (!value.session_token.empty())
    query += fmt::format("&{}={}", token_key, uri_encoded(value.session_token.reveal(), "-._~"));
  return query;
}

std::string canonical(const RequestHead& head, const Given& given, std::uint16_t default_port) {
  const std::string_view target = head.target;
  std::string headers;
  for (std::string_view rest = given.names; !rest.empty();) {
    const std::string_view name = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(name.size() + 1, rest.size()));
    headers += fmt::format("{}:{}\n", name, header_value(head, name, default_port).value_or(""));
  }
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", head.method,
                     canonical_path(target.substr(0, target.find('?')), service_of(given.scope)),
                     query_text(pairs_of(query_of(head)).value_or(std::vector<Pair>())), headers, given.names,
                     given.payload);
}

std::optional<ChunkSignature> chunks_of(std::string_view payload) {
  if (payload == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") return ChunkSignature::payload;
  if (payload == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER") return ChunkSignature::payload_and_trailer;
  const bool known = !payload.starts_with("STREAMING-") || payload == "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
  return known ? std::optional(ChunkSignature::none) : std::nullopt;
}

}  // namespace

Secret signing_key(std::string_view secret, std::string_view scope) {
  Secret start(4 + secret.size());
  std::ranges::copy(std::string_view("AWS4"), start.writable().begin());
  std::ranges::copy(secret, start.writable().begin() + 4);
  Secret key(32), next(32);
  hmac(start.reveal(), scope.substr(0, scope.find('/')), key.writable());
  for (std::size_t slash = scope.find('/'); slash != std::string_view::npos;
       slash = scope.find('/', slash + 1)) {
    hmac(key.reveal(), scope.substr(slash + 1, scope.find('/', slash + 1) - slash - 1), next.writable());
    std::swap(key, next);
  }
  return key;
}

static Read read_given(const RequestHead& head) {
  auto pairs = pairs_of(query_of(head));
  if (!pairs) return std::unexpected("its query cannot be read, or has more than 1000 parameters");
  const std::string_view authorization = http::value_of(head.fields, "authorization");
  if (authorization.starts_with(algorithm)) return given_in_header(head, authorization);
  if (value_of_pair(*pairs, "X-Amz-Algorithm") == algorithm) return given_in_query(*pairs);
  return std::unexpected("it is not signed with AWS4-HMAC-SHA256");
}

bool needs_payload(const RequestHead& head) {
  const Read given = read_given(head);
  return given && given->payload.empty() && head.has_body;
}

bool same_but_for_signature(const RequestHead& left, const RequestHead& right) {
  auto rest = [](RequestHead head) {
    erase_fields(head, token_field);
    erase_fields(head, "authorization");
    head.target =
        head.target.substr(0, head.target.find('?')) + "?" + query_without_signature(query_of(head));
    return head;
  };
  const RequestHead a = rest(left), b = rest(right);
  return a.method == b.method && a.target == b.target && a.authority == b.authority && a.fields == b.fields;
}

std::expected<Signed, std::string_view> sign(RequestHead& head, const SignedAs& as) {
  Read given = read_given(head);
  if (!given) return std::unexpected(given.error());
  if (!(";" + given->names + ";").contains(";host;"))
    return std::unexpected("its signature does not name the host");
  if (given->payload.empty()) {
    if (head.has_body && !as.payload) return std::unexpected("its body is too long to be signed");
    given->payload = head.has_body ? sha256(*as.payload) : std::string(empty_hash);
  }
  const auto chunks = chunks_of(given->payload);
  if (!chunks) return std::unexpected("its payload is signed in a way that the gateway cannot make anew");
  put_token(head, as.value, *given);
  if (auto chosen = choose_names(head, *given, as.default_port); !chosen)
    return std::unexpected(chosen.error());
  const std::string credential = fmt::format("{}/{}", as.value.key_id.reveal(), given->scope);
  if (given->in_query)
    head.target = head.target.substr(0, head.target.find('?')) + "?" +
                  query_to_sign(head, as.value, *given, credential);
  const std::string signature = hmac_hex(signing_key(as.value.secret.reveal(), given->scope),
                                         fmt::format("{}\n{}\n{}\n{}", algorithm, given->time, given->scope,
                                                     sha256(canonical(head, *given, as.default_port))));
  if (given->in_query) head.target += "&X-Amz-Signature=" + signature;
  for (Field& field : head.fields)
    if (!given->in_query && http1::same_name(field.name, "authorization"))
      field.value = fmt::format("{} Credential={}, SignedHeaders={}, Signature={}", algorithm, credential,
                                given->names, signature);
  return Signed{signature, given->time, given->scope, *chunks};
}

ChunkSigner::ChunkSigner(const Signed& request, const Value& value)
    : key_(signing_key(value.secret.reveal(), request.scope)),
      previous_(request.signature),
      time_(request.time),
      scope_(request.scope),
      kind_(request.chunks) {}

std::expected<void, std::string_view> ChunkSigner::feed(std::string_view bytes, std::string& out) {
  buffer_.append(bytes);
  bool more = true;
  while (more && state_ != State::over) {
    auto stepped = step(out);
    if (!stepped) return std::unexpected(stepped.error());
    more = *stepped;
  }
  buffer_.erase(0, std::exchange(done_, 0));  // once: chunks may be a byte each
  if (state_ == State::over && !buffer_.empty()) return std::unexpected("bytes behind the last chunk");
  return {};
}

std::expected<bool, std::string_view> ChunkSigner::step(std::string& out) {
  switch (state_) {
    case State::size: return size_line();
    case State::data: return chunk(out);
    case State::trailers: return trailers(out);
    case State::over: return false;
  }
  __builtin_unreachable();
}

std::expected<bool, std::string_view> ChunkSigner::size_line() {
  constexpr std::string_view extension = ";chunk-signature=";
  constexpr std::size_t longest_line = 16 + extension.size() + 64 + 2;
  const std::string_view line = left().substr(0, longest_line);
  const std::size_t end = line.find("\r\n");
  if (end == std::string::npos && line.size() < longest_line) return false;
  const std::size_t semicolon = std::min(line.find(';'), line.size());
  const char* begin = line.data();
  auto [stop, wrong] = std::from_chars(begin, begin + semicolon, data_, 16);
  const bool right = semicolon + extension.size() + 64 == end &&
                     line.substr(semicolon).starts_with(extension) && wrong == std::errc() &&
                     stop == begin + semicolon;
  if (!right) return std::unexpected("a chunk without its size and signature");
  if (data_ > longest_chunk) return std::unexpected("a signed chunk of more than 1 MiB");
  size_ = line.substr(0, semicolon);
  line_ = end + 2;
  state_ = State::data;
  return true;
}

// "AWS4-HMAC-SHA256-PAYLOAD" \n time \n scope \n previous signature \n hash of "" \n hash of the data
std::string ChunkSigner::sign_next(std::string_view kind, std::string_view hashes) {
  previous_ =
      hmac_hex(key_, fmt::format("{}-{}\n{}\n{}\n{}\n{}", algorithm, kind, time_, scope_, previous_, hashes));
  return previous_;
}

std::expected<bool, std::string_view> ChunkSigner::chunk(std::string& out) {
  const bool last = data_ == 0;
  const bool trailer_follows = last && kind_ == ChunkSignature::payload_and_trailer;
  const std::size_t needed = line_ + data_ + (trailer_follows ? 0 : 2);
  if (left().size() < needed) return false;
  const std::string_view data = left().substr(line_, data_);
  if (!trailer_follows && left().substr(line_ + data_, 2) != "\r\n")
    return std::unexpected("a chunk that does not end where it says");
  out += fmt::format("{};chunk-signature={}\r\n{}{}", size_,
                     sign_next("PAYLOAD", fmt::format("{}\n{}", empty_hash, sha256(data))), data,
                     trailer_follows ? "" : "\r\n");
  done_ += needed;
  state_ = !last ? State::size : trailer_follows ? State::trailers : State::over;
  return true;
}

// Each as "name:value\n" is what is signed.
std::expected<bool, std::string_view> ChunkSigner::trailers(std::string& out) {
  constexpr std::string_view own = "x-amz-trailer-signature:";
  constexpr std::size_t most_trailers = 8 << 10;
  const std::size_t end = left().find("\r\n\r\n");
  if (end == std::string::npos)
    return left().size() > most_trailers
               ? std::expected<bool, std::string_view>(std::unexpected("long trailers"))
               : false;
  std::string text, to_sign;
  bool signed_ = false;
  for (std::string_view rest = left().substr(0, end + 2); !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find("\r\n"));
    rest.remove_prefix(line.size() + 2);
    if (line.starts_with(own)) {
      signed_ = true;
    } else if (signed_) {
      return std::unexpected("a trailer behind the trailers' signature");
    } else {
      const std::size_t colon = std::min(line.find(':'), line.size());
      to_sign += fmt::format("{}:{}\n", http1::lower_case(line.substr(0, colon)),
                             http1::trimmed(line.substr(std::min(colon + 1, line.size()))));
      text += fmt::format("{}\r\n", line);
    }
  }
  if (!signed_) return std::unexpected("trailers without their signature");
  out += fmt::format("{}{}{}\r\n\r\n", text, own, sign_next("TRAILER", sha256(to_sign)));
  done_ += end + 4;
  state_ = State::over;
  return true;
}

}  // namespace clawpatrol::credentials
