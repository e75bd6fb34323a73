// What a Kubernetes API server takes a request for, before it asks whether that is allowed:
// RequestInfoFactory of k8s.io/apiserver/pkg/endpoints/request, and the parts of Go's net/url that stand
// before it.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace clawpatrol::kubernetes {

// The query as Go's url.ParseQuery reads it: a pair with a ";" or an escape that is none is left out.
struct Params {
  std::vector<std::pair<std::string, std::string>> pairs;
  bool left_out = false;

  bool has(std::string_view name) const;
  std::string_view first(std::string_view name) const;  // "" where there is none
  std::vector<std::string> all(std::string_view name) const;
};

Params read_params(std::string_view query);

struct RequestInfo {
  bool is_resource = false;
  std::string path;  // decoded once, as it is: API servers neither clean it nor split it before
  std::string verb;
  std::string group;
  std::string version;
  std::string namespace_;
  std::string resource;
  std::string subresource;
  std::string name;
  bool operator==(const RequestInfo&) const = default;
};

// `path` is percent-decoded. The error, a literal, is what the API server refuses itself.
std::expected<RequestInfo, std::string_view> request_info(std::string_view method, std::string_view path,
                                                          const Params& params);

}  // namespace clawpatrol::kubernetes
