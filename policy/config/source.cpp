#include "policy/config/source.h"

#include <fmt/format.h>

#include <algorithm>

namespace clawpatrol::config {
namespace {

bool starts_code_point(char byte) {
  return (byte & 0xc0) != 0x80;
}

}  // namespace

Source::Source(std::string name, std::string directory, std::string text)
    : name_(std::move(name)), directory_(std::move(directory)), text_(std::move(text)) {
  bool ascii = std::ranges::none_of(text_, [](char byte) { return (byte & 0x80) != 0; });
  lines_.push_back(0);
  lines_in_code_points_.push_back(0);
  for (std::size_t i = 0; i < text_.size(); ++i) {
    if (!ascii && starts_code_point(text_[i])) code_points_.push_back(static_cast<std::uint32_t>(i));
    if (text_[i] != '\n') continue;
    lines_.push_back(i + 1);
    lines_in_code_points_.push_back(ascii ? i + 1 : code_points_.size());
  }
}

std::size_t Source::line_index(std::size_t offset) const {
  return static_cast<std::size_t>(std::ranges::upper_bound(lines_, offset) - lines_.begin()) - 1;
}

std::string_view Source::line(std::size_t index) const {
  std::size_t end = index + 1 < lines_.size() ? lines_[index + 1] : text_.size();
  std::string_view line = std::string_view(text_).substr(lines_[index], end - lines_[index]);
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

Place Source::place(std::size_t begin, std::size_t end) const {
  std::size_t index = line_index(std::min(begin, text_.size()));
  std::size_t line_end = lines_[index] + line(index).size();
  bool hidden = std::ranges::any_of(
      hidden_, [&](const auto& range) { return range.first < end && begin < range.second; });
  std::size_t width = !hidden && end > begin && line_end > begin ? std::min(end, line_end) - begin : 1;
  return {name_, static_cast<std::uint32_t>(index + 1), static_cast<std::uint32_t>(begin - lines_[index] + 1),
          static_cast<std::uint32_t>(width)};
}

std::string Source::line_at(std::size_t offset) const {
  std::size_t index = line_index(std::min(offset, text_.size()));
  if (line(index).size() > longest_shown_line) return {};
  std::string shown(line(index));
  std::size_t cut = shown.size();
  for (auto [begin, end] : hidden_) {
    bool here = begin < lines_[index] + shown.size() && end > lines_[index];
    if (here) cut = std::min(cut, begin > lines_[index] ? begin - lines_[index] : 0);
  }
  if (offset > lines_[index] + cut) return {};  // there is no line to point into behind what is hidden
  // As many whatever was there, and nothing behind it: the length of a secret says something of it.
  if (cut < shown.size()) shown.replace(cut, shown.npos, "********");
  return shown;
}

std::size_t Source::offset_of(std::size_t line_number, std::size_t code_point) const {
  if (line_number == 0 || line_number > lines_.size()) return text_.size();
  std::size_t index = lines_in_code_points_[line_number - 1] + (code_point == 0 ? 0 : code_point - 1);
  if (code_points_.empty()) return std::min(index, text_.size());
  return index < code_points_.size() ? code_points_[index] : text_.size();
}

Diagnostic& Report::error(const Location& at, std::string message, std::string hint) {
  return add(Severity::error, at, std::move(message), std::move(hint));
}

Diagnostic& Report::lint(std::string_view code, const Location& at, std::string message, std::string hint) {
  Diagnostic& diagnostic = add(Severity::warning, at, std::move(message), std::move(hint));
  diagnostic.code = code;
  return diagnostic;
}

void Report::error_in_file(std::string name, std::string message, std::string hint) {
  ++errors_;
  Diagnostic& diagnostic = diagnostics_.items.emplace_back();
  diagnostic.code = error_code_;
  diagnostic.place.file = std::move(name);
  diagnostic.message = std::move(message);
  diagnostic.hint = std::move(hint);
}

void Report::finish(const std::string& name) {
  if (not_kept_ == 0) return;
  error_in_file(name, fmt::format("{} more problems are not shown", not_kept_));
  if (errors_not_kept_ == 0) diagnostics_.items.back().severity = Severity::warning;
}

void Report::relate(Diagnostic& diagnostic, const Location& at, std::string note) {
  Related related;
  static_cast<Place&>(related) = at.source->place(at.begin, at.end);
  related.note = std::move(note);
  related.source_line = at.source->line_at(at.begin);
  diagnostic.related.push_back(std::move(related));
}

Diagnostic& Report::add(Severity severity, const Location& at, std::string message, std::string hint) {
  bool error = severity == Severity::error;
  errors_ += error;
  if (diagnostics_.items.size() >= most_problems) {
    ++not_kept_;
    errors_not_kept_ += error;
    last_ = {};
    return last_;
  }
  Diagnostic& diagnostic = diagnostics_.items.emplace_back();
  diagnostic.severity = severity;
  diagnostic.code = error_code_;
  diagnostic.place = at.source->place(at.begin, at.end);
  diagnostic.message = std::move(message);
  diagnostic.hint = std::move(hint);
  diagnostic.source_line = at.source->line_at(at.begin);
  return diagnostic;
}

}  // namespace clawpatrol::config
