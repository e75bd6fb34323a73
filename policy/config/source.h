// The text of one configuration file, and where in it a byte stands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/config/diagnostics.h"

namespace clawpatrol::config {

class Source {
 public:
  // `directory` is where `file:NAME` is looked for; empty: nowhere.
  Source(std::string name, std::string directory, std::string text);

  const std::string& name() const { return name_; }
  const std::string& directory() const { return directory_; }
  std::string_view text() const { return text_; }

  // Bytes [begin, end); a place never reaches past the end of its first line.
  Place place(std::size_t begin, std::size_t end) const;
  // The line that holds the byte, without its end, up to what is hidden; nothing where the byte is behind
  // that, or the line very long.
  std::string line_at(std::size_t offset) const;
  // The byte at a line and a column, both from 1, the column counted in code points. Clamped to the text.
  std::size_t offset_of(std::size_t line, std::size_t code_point) const;
  // Never show these bytes: a secret that does not belong here.
  void hide(std::size_t begin, std::size_t end) { hidden_.emplace_back(begin, end); }

 private:
  std::size_t line_index(std::size_t offset) const;
  std::string_view line(std::size_t index) const;

  std::string name_;
  std::string directory_;
  std::string text_;
  std::vector<std::size_t> lines_;          // where each begins, in bytes
  std::vector<std::uint32_t> code_points_;  // where each begins, in bytes; empty for ASCII
  std::vector<std::size_t> lines_in_code_points_;
  std::vector<std::pair<std::size_t, std::size_t>> hidden_;
};

// Some bytes of a file.
struct Location {
  Source* source = nullptr;
  std::size_t begin = 0;
  std::size_t end = 0;
};

inline constexpr std::size_t most_problems = 100;        // that are kept and shown
inline constexpr std::size_t longest_shown_line = 4096;  // a longer one is not copied with each problem

// Collects problems.
class Report {
 public:
  explicit Report(Diagnostics& diagnostics, std::string_view error_code = {})
      : diagnostics_(diagnostics), error_code_(error_code) {}

  // What errors are from here on: a code of policy/lints/codes.h.
  void errors_are(std::string_view code) { error_code_ = code; }
  // The reference lives until the next problem.
  Diagnostic& error(const Location& at, std::string message, std::string hint = {});
  // A warning: `code` is of policy/lints/codes.h.
  Diagnostic& lint(std::string_view code, const Location& at, std::string message, std::string hint = {});
  // `name: message`, for a file that could not be read at all.
  void error_in_file(std::string name, std::string message, std::string hint = {});
  static void relate(Diagnostic& diagnostic, const Location& at, std::string note);
  bool has_errors() const { return errors_ != 0; }  // those that are not kept included
  // Says how many problems were not kept. Call it last.
  void finish(const std::string& name);

 private:
  Diagnostic& add(Severity severity, const Location& at, std::string message, std::string hint);
  Diagnostics& diagnostics_;
  std::string_view error_code_;
  std::size_t errors_ = 0;
  std::size_t not_kept_ = 0;
  std::size_t errors_not_kept_ = 0;
  Diagnostic last_;  // what a problem is written to that is not kept
};

}  // namespace clawpatrol::config
