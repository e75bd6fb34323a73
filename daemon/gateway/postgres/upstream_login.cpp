#include "daemon/gateway/postgres/upstream_login.h"

#include <algorithm>
#include <array>

#include "daemon/credentials/wiped_frees.h"
#include "parsers/postgres/backend.h"
#include "parsers/postgres/build.h"

namespace clawpatrol::postgres {
namespace {

constexpr std::size_t largest_greeting = 64 << 10;

// UTF8, and the server's encodings of one byte a character that are ASCII below 0x80; names without
// punctuation, as the server compares them.
constexpr std::array<std::string_view, 40> safe_encodings = {
    "utf8",      "unicode",   "sqlascii",  "latin1",   "latin2",   "latin3",   "latin4",    "latin5",
    "latin6",    "latin7",    "latin8",    "latin9",   "latin10",  "iso88591", "iso88592",  "iso88593",
    "iso88594",  "iso88595",  "iso88596",  "iso88597", "iso88598", "iso88599", "iso885910", "iso885913",
    "iso885914", "iso885915", "iso885916", "win1250",  "win1251",  "win1252",  "win1253",   "win1254",
    "win1255",   "win1256",   "win1257",   "win1258",  "win866",   "win874",   "koi8r",     "koi8u"};

}  // namespace

bool is_safe_client_encoding(std::string_view name) {
  std::string key;
  for (char c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) key.push_back(c);
  }
  return std::ranges::find(safe_encodings, key) != safe_encodings.end();
}

bool is_safe_report(std::string_view parameter, std::string_view value) {
  if (parameter == "standard_conforming_strings") return value == "on";
  if (parameter == "client_encoding") return is_safe_client_encoding(value);
  return true;
}

UpstreamLogin::UpstreamLogin(Request request, credentials::Secret password)
    : request_(std::move(request)), password_(std::move(password)) {}

std::string UpstreamLogin::start() const {
  std::string out;
  append_startup(out, 0, request_.parameters);
  return out;
}

UpstreamLogin::State UpstreamLogin::take(const Frame& frame, std::string& to_server) {
  switch (frame.type) {
    case 'R': return authenticate(frame.body, to_server);
    case 'E': return refused(frame.body);
    case 'S': return parameter(frame);
    case 'Z': return ready();
    case 'N':
      if (greeting_.size() + frame.raw.size() <= largest_greeting) greeting_ += frame.raw;
      return State::going_on;
    case 'K': {
      auto data = read_backend_key(frame.body);
      if (!data) return fail("the server sent a malformed message while logging in");
      process_ = data->process;
      key_ = data->key;
      return State::going_on;
    }
    default: return fail("the server sent an unexpected message while logging in");
  }
}

UpstreamLogin::State UpstreamLogin::authenticate(std::string_view body, std::string& to_server) {
  const credentials::WipedFrees wiped;  // a password, or what proves it, passes
  auto message = read_authentication(body);
  if (!message || authenticated_) return fail("the server sent a malformed authentication message");
  if (message->code == 11 || message->code == 12) return continue_sasl(body, to_server);
  if (message->code == 0) {
    // A server that began SCRAM and skips its own proof is not the server.
    if (scram_ && !verified_) return fail("the server did not prove that it knows the password");
    authenticated_ = true;
    return State::going_on;
  }
  if (password_.empty())
    return fail("the server asks for a password and the gateway holds none for this endpoint",
                request_.credential.empty() ? "The endpoint has no credential in this peer's profile."
                                            : "Credential \"" + request_.credential + "\" has no value yet.");
  if (message->code == 10) return begin_sasl(message->data, to_server);
  if (scram_) return fail("the server changed its mind about authentication");
  if (message->code == 5 && message->data.size() == 4) {
    append_password(to_server, md5_answer(request_.user, password_.reveal(), message->data));
    return State::going_on;
  }
  if (message->code == 3) {
    if (!request_.private_path)
      return fail("the server asks for the password in the clear over a connection that is not encrypted");
    append_password(to_server, password_.reveal());
    return State::going_on;
  }
  return fail("the server asks for an authentication method that the gateway does not have");
}

UpstreamLogin::State UpstreamLogin::begin_sasl(std::string_view mechanisms, std::string& to_server) {
  if (scram_) return fail("the server changed its mind about authentication");
  auto chosen = Scram::choose(sasl_mechanisms(mechanisms), request_.end_point);
  if (!chosen) return fail("the server offers no SASL mechanism that the gateway has");
  scram_.emplace(std::move(*chosen));
  append_sasl_initial(to_server, scram_->mechanism(), scram_->client_first());
  return State::going_on;
}

UpstreamLogin::State UpstreamLogin::continue_sasl(std::string_view body, std::string& to_server) {
  auto message = read_authentication(body);
  if (!scram_ || verified_) return fail("the server sent a SCRAM message out of turn");
  if (message->code == 12) {
    if (!scram_->verify(message->data)) return fail("the server did not prove that it knows the password");
    verified_ = true;
    return State::going_on;
  }
  auto answer = scram_->client_final(message->data, [this](auto salt, int iterations, SaltedPassword& out) {
    return request_.salted_passwords.get(request_.credential, password_.reveal(), salt, iterations, out);
  });
  if (!answer) return fail(std::string(answer.error()));
  append_sasl_response(to_server, *answer);
  return State::going_on;
}

UpstreamLogin::State UpstreamLogin::parameter(const Frame& frame) {
  auto status = read_parameter_status(frame.body);
  if (!status || !authenticated_) return fail("the server sent a malformed message while logging in");
  if (status->name == "standard_conforming_strings") strings_ = status->value;
  if (status->name == "client_encoding") encoding_ = status->value;
  if (status->name == "server_encoding") server_encoding_ = status->value;
  if (greeting_.size() + frame.raw.size() > largest_greeting)
    return fail("the server reports more settings than the gateway holds");
  greeting_ += frame.raw;
  return State::going_on;
}

UpstreamLogin::State UpstreamLogin::refused(std::string_view body) {
  auto error = read_error(body);
  if (!error) return fail("the server sent a malformed message while logging in");
  const bool about_identity = error->code.starts_with("28");
  if (about_identity) {
    return fail(
        "the server refused the gateway's login as \"" + request_.user + "\"",
        request_.credential.empty() ? std::string() : "Credential \"" + request_.credential + "\" was used.");
  }
  failure_ = {.code = std::string(error->code), .message = std::string(error->message), .detail = {}};
  if (failure_.code.size() != 5) failure_.code = "08006";
  return State::failed;
}

UpstreamLogin::State UpstreamLogin::ready() {
  if (!authenticated_) return fail("the server is ready before anybody logged in");
  if (!is_safe_report("standard_conforming_strings", strings_) ||
      !is_safe_report("client_encoding", encoding_))
    return fail(
        "the server reads text in a way that the gateway cannot follow",
        "standard_conforming_strings is \"" + strings_ + "\", client_encoding is \"" + encoding_ + "\".");
  password_ = {};
  return State::logged_in;
}

UpstreamLogin::State UpstreamLogin::fail(std::string message, std::string detail) {
  failure_ = {.code = "28000", .message = std::move(message), .detail = std::move(detail)};
  return State::failed;
}

}  // namespace clawpatrol::postgres
