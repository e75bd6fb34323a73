// Documents that are generated from the code's own tables: checked, or written anew by scripts/fix.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "policy/config/reference.h"
#include "policy/lints/codes.h"

namespace {

struct Document {
  const char* path;
  std::string (*text)();
};

constexpr Document documents[] = {
    {"docs/config.md", clawpatrol::config_reference_markdown},
    {"docs/facets.md", clawpatrol::facets_reference_markdown},
    {"docs/lints.md", clawpatrol::lints::lints_reference_markdown},
};

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

int main(int argc, char** argv) {
  std::string_view mode = argc == 2 ? argv[1] : "";
  if (mode != "--check" && mode != "--write") {
    fmt::print(stderr, "usage: golden --check | --write\n");
    return 2;
  }
  int stale = 0;
  for (const Document& document : documents) {
    std::filesystem::path path = std::filesystem::path(CLAWPATROL_SOURCE) / document.path;
    std::string text = document.text();
    if (contents(path) == text) continue;
    if (mode == "--write") {
      std::ofstream(path) << text;
      continue;
    }
    fmt::print(stderr, "{} is not what the code says\nhint: run scripts/fix\n", document.path);
    ++stale;
  }
  return stale ? 1 : 0;
}
