// Requests as an agent writes them, and a policy with credentials for them.
#pragma once

#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "daemon/credentials/http/choose.h"
#include "parsers/http/message.h"
#include "parsers/http1/head.h"

namespace clawpatrol::tests {

// `lines` without the end of the head. Fields that HTTP/1.1's parser would not take twice may stand twice, as
// they may in what comes after another parser.
inline http::RequestHead head_of(const std::string& lines) {
  std::string parsed;
  http::Fields fields;
  for (std::size_t at = 0; at < lines.size();) {
    const std::size_t end = std::min(lines.find("\r\n", at), lines.size());
    const std::string line = lines.substr(at, end - at);
    at = end + 2;
    const std::size_t colon = line.find(": ");
    if (parsed.empty() || line.starts_with("Host") || line.starts_with("Content-Length"))
      parsed += line + "\r\n";
    else
      fields.push_back({line.substr(0, colon), line.substr(colon + 2)});
  }
  parsed += "\r\n";
  auto read = http1::read_head(parsed);
  INFO(lines);
  REQUIRE(read);
  http::RequestHead head = http::request_head(*read);
  head.fields = fields;
  return head;
}

// Credentials of profile `data` for endpoint `web`, each [credential.NAME] with its lines.
inline std::shared_ptr<const Policy> policy_with(const std::string& names, const std::string& credentials,
                                                 const std::string& hosts = "\"api.example.com\"") {
  LoadResult loaded =
      load_policy_text("schema = 1\n[profile.data]\ncredentials = [" + names +
                           "]\n[profile.other]\nendpoints = [\"web\"]\n[endpoint.web]\ntype = "
                           "'https'\nhosts = [" +
                           hosts +
                           "]\n[endpoint.elsewhere]\ntype = 'https'\nhosts = "
                           "['else.example.com']\n" +
                           credentials,
                       "clawpatrol.toml", LoadFor::judge);
  INFO(loaded.diagnostics.render());
  REQUIRE(loaded.policy);
  return loaded.policy;
}

inline std::string bearer(const std::string& name, const std::string& more = "type = 'bearer'") {
  return "[credential." + name + "]\nendpoint = 'web'\n" + more + "\n";
}

inline const credentials::Asking asking{"data", "web", "api.example.com", 443};

}  // namespace clawpatrol::tests
