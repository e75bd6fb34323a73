// A log in a directory of its own, and hands to damage it with.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "daemon/audit/line_file.h"
#include "daemon/audit/log.h"
#include "daemon/audit/verify.h"
#include "tests/temporary_directory.h"

namespace clawpatrol::audit {

struct ScratchLog {
  tests::TemporaryDirectory made;
  std::filesystem::path root = made.path;
  ScratchLog() {
    options.directory = root / "audit";
    options.key_file = root / "audit-key";
  }

  std::unique_ptr<Log> open() const {
    auto log = Log::open(options);
    if (!log) throw std::runtime_error(log.error().what);
    return std::move(*log);
  }

  Report verified(const std::optional<Head>& head = std::nullopt) const {
    auto key = Key::load(options.key_file);
    if (!key) throw std::runtime_error(key.error().what);
    auto report = verify(options.directory, *key, head);
    if (!report) throw std::runtime_error(report.error().what);
    return *report;
  }

  std::vector<std::filesystem::path> segments() const {
    std::vector<std::filesystem::path> paths;
    auto files = list_segments(options.directory);
    for (const SegmentFile& file : files.value()) paths.push_back(options.directory / file.name);
    return paths;
  }

  Options options;
};

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_file(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

inline std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = text.find('\n', at);
    lines.push_back(text.substr(at, end - at));
    at = end == text.npos ? text.size() : end + 1;
  }
  return lines;
}

inline std::string join_lines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

inline std::string body(int number) {
  return "\"id\":\"a-" + std::to_string(number) + "\",\"verdict\":\"allow\"";
}

inline std::vector<std::string> bodies(int first, int count) {
  std::vector<std::string> lines;
  for (int at = 0; at < count; ++at) lines.push_back(body(first + at));
  return lines;
}

// "changed, removed": the kinds of what was found, in order.
inline std::string kinds(const Report& report) {
  std::string text;
  for (const Finding& finding : report.findings) {
    if (!text.empty()) text += ", ";
    text += name_of(finding.kind);
  }
  return text;
}

}  // namespace clawpatrol::audit
