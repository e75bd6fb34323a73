#include "policy/config/diagnostics.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace clawpatrol {
namespace {

constexpr std::size_t frame_columns = 100;  // of a source line that are shown

struct Glyph {
  std::string_view bytes;  // as shown
  std::size_t size;        // in the source
};

// One character as it may stand on a terminal.
Glyph glyph_at(std::string_view text) {
  auto lead = static_cast<unsigned char>(text[0]);
  if (lead == '\t') return {" ", 1};
  if (lead < 0x80) return lead < 0x20 || lead == 0x7f ? Glyph{"?", 1} : Glyph{text.substr(0, 1), 1};
  std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 1;
  if (size == 1 || size > text.size()) return {"?", 1};
  std::uint32_t code = lead & (0xffu >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0) != 0x80) return {"?", 1};
    code = code << 6 | (next & 0x3f);
  }
  bool bidi = code == 0x061c || (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
              (code >= 0x2060 && code <= 0x206f) || code == 0xfeff;
  bool forbidden = code < 0xa0 || bidi || (code >= 0xd800 && code < 0xe000) || code > 0x10ffff;
  return forbidden ? Glyph{"?", size} : Glyph{text.substr(0, size), size};
}

std::string shown(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    Glyph glyph = glyph_at(text);
    out += glyph.bytes;
    text.remove_prefix(glyph.size);
  }
  return out;
}

// A source line, and the columns of the caret under it, counted in characters and not in bytes.
struct Frame {
  std::string text;
  std::size_t caret = 0;
  std::size_t width = 0;
};

Frame frame_of(std::string_view line, const Place& place) {
  std::size_t begin = std::min<std::size_t>(place.column - 1, line.size());
  std::size_t end = std::min<std::size_t>(begin + std::max(place.width, 1u), line.size());
  // Of a very long line, what stands around the caret.
  std::size_t first = begin > frame_columns * 3 / 4 ? begin - frame_columns / 2 : 0;
  while (first > 0 && first < line.size() && (line[first] & 0xc0) == 0x80) --first;
  Frame frame;
  if (first > 0) frame.text = "...", frame.caret = 3;
  std::size_t columns = 0, at = first;
  for (; at < line.size() && columns < frame_columns; ++columns) {
    Glyph glyph = glyph_at(line.substr(at));
    frame.text += glyph.bytes;
    if (at < begin) ++frame.caret;
    if (at >= begin && at < end) ++frame.width;
    at += glyph.size;
  }
  if (at < line.size()) frame.text += "...";
  frame.width = std::max<std::size_t>(frame.width, 1);
  return frame;
}

void render_frame(std::string& out, const Place& place, std::string_view source_line) {
  if (place.line == 0 || source_line.empty() || place.column == 0) return;
  Frame frame = frame_of(source_line, place);
  fmt::format_to(std::back_inserter(out), "{:>6} | {}\n", place.line, frame.text);
  fmt::format_to(std::back_inserter(out), "       | {}^{}\n", std::string(frame.caret, ' '),
                 std::string(frame.width - 1, '~'));
}

std::string position(const Place& place) {
  if (place.line == 0) return shown(place.file);
  return fmt::format("{}:{}:{}", shown(place.file), place.line, place.column);
}

void render_one(std::string& out, const Diagnostic& item) {
  std::string_view severity = item.severity == Severity::error ? "error" : "warning";
  fmt::format_to(std::back_inserter(out), "{}: {}: {}{}\n", position(item.place), severity,
                 shown(item.message), item.code.empty() ? "" : fmt::format(" [{}]", item.code));
  render_frame(out, item.place, item.source_line);
  for (const Related& related : item.related) {
    fmt::format_to(std::back_inserter(out), "{}: note: {}\n", position(related), shown(related.note));
    render_frame(out, related, related.source_line);
  }
  if (!item.hint.empty()) fmt::format_to(std::back_inserter(out), "  hint: {}\n", shown(item.hint));
  out += '\n';
}

std::string counted(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace

std::size_t Diagnostics::errors() const {
  return static_cast<std::size_t>(std::ranges::count(items, Severity::error, &Diagnostic::severity));
}

std::size_t Diagnostics::warnings() const {
  return items.size() - errors();
}

bool Diagnostics::has_errors() const {
  return errors() != 0;
}

std::string Diagnostics::render() const {
  if (items.empty()) return {};
  std::string out;
  for (const Diagnostic& item : items) render_one(out, item);
  std::string summary = errors() != 0 ? counted(errors(), "error") : "";
  if (warnings() != 0) summary += (summary.empty() ? "" : ", ") + counted(warnings(), "warning");
  return out + summary + "\n";
}

}  // namespace clawpatrol
