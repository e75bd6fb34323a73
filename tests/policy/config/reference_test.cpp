#include "policy/config/reference.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "policy/config/keys.h"

using namespace clawpatrol;

namespace {

std::string contents(const std::string& path) {
  std::ifstream file(std::string(CLAWPATROL_SOURCE) + "/" + path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

// scripts/fix writes both.
TEST_CASE("docs/config.md is what the loader's table says") {
  CHECK(contents("docs/config.md") == config_reference_markdown());
}
TEST_CASE("docs/facets.md is what the facet table says") {
  CHECK(contents("docs/facets.md") == facets_reference_markdown());
}

TEST_CASE("the default that is documented is the one in force") {
  for (const config::Key& key : config::all_keys()) {
    if (std::holds_alternative<std::monostate>(key.member)) continue;
    INFO(key.name);
    CHECK(key.least <= key.most);
    CHECK_FALSE(config::default_of(key).empty());
  }
  CHECK(config::default_of(*config::find_key("limits", "handshake")) == "`\"30s\"`");
  CHECK(config::default_of(*config::find_key("limits", "idle")) == "`\"0s\"`");
  CHECK(config::default_of(*config::find_key("audit", "keep")) == "`\"8GiB\"`");
  CHECK(config::default_of(*config::find_key("limits", "connections")) == "`4096`");
  GatewayConfig gateway;
  CHECK(config::default_of(*config::find_key("gateway", "interface")) == "`\"" + gateway.interface + "\"`");
}

TEST_CASE("every limit of the structs can be configured") {
  std::size_t limits = 0, audit = 0;
  for (const config::Key& key : config::all_keys()) {
    limits += key.section == "limits";
    audit += key.section == "audit";
  }
  // A member that is added without a key fails here: sizes are of 8 bytes each, and `sync` has padding.
  CHECK(limits == sizeof(LimitsConfig) / 8);
  CHECK(audit == sizeof(AuditConfig) / 8);
}
