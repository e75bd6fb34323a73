// Any bytes, cut by themselves, past the scrubber: the same comes out however they are cut, as long as what
// went in, and without the secret.
#include <cstdlib>
#include <string>
#include <string_view>

#include "daemon/credentials/http/scrub.h"

using namespace clawpatrol::credentials;

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const char* data, std::size_t size) {
  static const Needle needles[] = {{"s3cr3t-t0ken", "{{a}}"}, {"t0ken%41\\u", "{{b}}"}, {"aaaa", "{{c}}"}};
  static const auto patterns = std::make_shared<const Patterns>(needles);
  const std::string_view bytes(data, size);
  Scrubber whole(patterns), cut(patterns);
  std::string once, pieces;
  whole.feed(bytes, once);
  whole.finish(once);
  for (std::size_t i = 0; i < size;) {
    const std::size_t piece = 1 + static_cast<unsigned char>(data[i]) % 7;
    cut.feed(bytes.substr(i, piece), pieces);
    i += piece;
  }
  cut.finish(pieces);
  check(once == pieces);
  check(once.size() == size);
  for (const Needle& needle : needles) check(!once.contains(needle.text));
  return 0;
}
