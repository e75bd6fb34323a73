// What it costs to look for secrets in a response: GB/s of one core.
#include <fmt/format.h>

#include <chrono>
#include <random>

#include "daemon/credentials/http/scrub.h"

using namespace clawpatrol;
using namespace clawpatrol::credentials;

namespace {

std::string random_of(std::string_view letters, std::size_t size) {
  std::mt19937_64 random(1);
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text += letters[random() % letters.size()];
  return text;
}

void measure(const char* name, const std::shared_ptr<const Patterns>& patterns, const std::string& body) {
  constexpr std::size_t piece = 16 << 10, rounds = 20;
  Scrubber scrubber(patterns);
  std::string out;
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < body.size(); i += piece) {
      out.clear();
      scrubber.feed(std::string_view(body).substr(i, piece), out);
    }
  }
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
  fmt::print("{:<28} {:6.2f} GB/s\n", name, static_cast<double>(body.size() * rounds) / spent.count() / 1e9);
}

}  // namespace

int main() {
  constexpr std::size_t size = 8 << 20;
  std::string json;
  while (json.size() < size)
    json +=
        R"({"id": 12345, "name": "a person of note", "text": "said \"well\" and\nleft", "url": "https:\/\/x.example\/a"},)";
  std::string bytes = random_of("x", size);
  std::mt19937_64 random(2);
  for (char& c : bytes) c = static_cast<char>(random());
  const std::string base64 =
      random_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", size);
  for (std::size_t count : {1, 10}) {
    std::vector<std::string> secrets;
    std::vector<Needle> needles;
    for (std::size_t i = 0; i < count; ++i)
      secrets.push_back("ghp_" +
                        random_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789", 32 + i).substr(i));
    for (const std::string& secret : secrets) needles.push_back({secret, "{{x}}"});
    auto patterns = std::make_shared<const Patterns>(needles);
    fmt::print("{} secret(s)\n", count);
    measure("JSON with escapes", patterns, json);
    measure("random bytes", patterns, bytes);
    measure("base64", patterns, base64);
    measure("zeros", patterns, std::string(size, '\0'));
  }
}
