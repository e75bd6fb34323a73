#include "parsers/kubernetes/derived.h"

#include <algorithm>
#include <array>
#include <span>

namespace clawpatrol::kubernetes {
namespace {

using Pointer = std::span<const std::string_view>;

constexpr std::array<std::string_view, 2> unschedulable = {"spec", "unschedulable"};
constexpr std::array<std::string_view, 2> replicas = {"spec", "replicas"};
constexpr std::array<std::string_view, 5> restarted_at = {"spec", "template", "metadata", "annotations",
                                                          "kubectl.kubernetes.io/restartedAt"};

const Document* at(const Document& body, Pointer pointer) {
  const Document* found = &body;
  for (std::string_view name : pointer) {
    found = found->find(name);
    if (!found) return nullptr;
  }
  return found;
}

enum class Sets : std::uint8_t { no, yes, perhaps };

// A part of a JSON pointer (RFC 6901).
std::string unescaped(std::string_view part) {
  std::string out;
  for (std::size_t i = 0; i < part.size(); ++i) {
    if (part[i] == '~' && i + 1 < part.size() && (part[i + 1] == '0' || part[i + 1] == '1'))
      out.push_back(part[++i] == '0' ? '~' : '/');
    else
      out.push_back(part[i]);
  }
  return out;
}

// The value that one operation of a JSON patch (RFC 6902) puts there: it may be written above, at or below.
Sets operation_sets(const Document& operation, Pointer pointer, const Document*& value) {
  const Document* op = operation.find("op");
  const Document* path = operation.find("path");
  if (!op || !op->text() || !path || !path->text()) return Sets::perhaps;
  std::string_view rest = *path->text();
  while (!rest.empty() && !pointer.empty()) {
    if (rest.front() != '/') return Sets::perhaps;
    rest.remove_prefix(1);
    const std::size_t end = std::min(rest.find('/'), rest.size());
    if (unescaped(rest.substr(0, end)) != pointer.front()) return Sets::no;
    rest.remove_prefix(end);
    pointer = pointer.subspan(1);
  }
  if (!rest.empty() || *op->text() == "test" || *op->text() == "remove") return Sets::no;
  if (*op->text() != "add" && *op->text() != "replace") return Sets::perhaps;
  const Document* written = operation.find("value");
  value = written ? at(*written, pointer) : nullptr;
  return value ? Sets::yes : Sets::no;
}

// Whether the body puts `wanted` (null: anything) at the pointer.
Sets sets(const Document& body, Pointer pointer, const Document* wanted) {
  if (const Document::Items* operations = body.items()) {
    Sets all = Sets::no;
    for (const Document& operation : *operations) {
      const Document* value = nullptr;
      Sets one = operation_sets(operation, pointer, value);
      if (one == Sets::yes && wanted && !(*value == *wanted)) one = Sets::no;
      if (one == Sets::yes) return one;
      if (one == Sets::perhaps) all = one;
    }
    return all;
  }
  const Document* value = at(body, pointer);
  return value && (!wanted || *value == *wanted) ? Sets::yes : Sets::no;
}

bool writes(const RequestInfo& info) {
  return info.verb == "create" || info.verb == "update" || info.verb == "patch";
}

bool drains_by_deleting(const RequestInfo& info, const Params& params) {
  if (info.resource != "pods" || info.verb != "deletecollection") return false;
  return std::ranges::any_of(params.all("fieldSelector"),
                             [](const std::string& selector) { return selector.contains("spec.nodeName"); });
}

struct Deriver {
  const Facet<Document>& body;
  NameList list = {};

  void add(std::string_view name) {
    if (std::ranges::find(list.items, name) == list.items.end()) list.items.emplace_back(name);
  }
  void add_if_set(std::string_view name, Pointer pointer, const Document* wanted) {
    const Sets found = body.known() ? sets(*body, pointer, wanted) : Sets::perhaps;
    if (found == Sets::yes) add(name);
    if (found == Sets::perhaps) list.open = true;
  }
};

}  // namespace

NameList derived_from(const RequestInfo& info, const Params& params, const Facet<Document>& body) {
  Deriver derive{body};
  if (!info.is_resource) return derive.list;
  const bool main = info.subresource.empty();
  if (info.resource == "pods" && info.subresource == "eviction" && writes(info)) {
    derive.add("evict");
    derive.add("drain");
  }
  if (drains_by_deleting(info, params)) derive.add("drain");
  if (!writes(info)) return derive.list;
  if (info.subresource == "scale") derive.add("scale");
  const Document yes{true};
  if (info.resource == "nodes" && (main || info.subresource == "status"))
    derive.add_if_set("cordon", unschedulable, &yes);
  const bool changes = info.verb == "patch" || info.verb == "update";
  if (!main || !changes || info.resource == "nodes" || info.resource == "pods") return derive.list;
  // An update writes the whole object, replicas and all: that is no scaling by itself.
  if (info.verb == "patch") derive.add_if_set("scale", replicas, nullptr);
  if (info.group == "apps" || info.group == "extensions") derive.add_if_set("restart", restarted_at, nullptr);
  return derive.list;
}

}  // namespace clawpatrol::kubernetes
