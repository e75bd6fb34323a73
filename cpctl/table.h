// Tables that fit: columns aligned, the less important ones narrowed and then left out where the terminal is
// narrow, nothing cut where the output is no terminal.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "cpctl/console.h"

namespace clawpatrol::cpctl {

enum class Align : std::uint8_t { left, right };
enum class Keeps : std::uint8_t { beginning, end };  // of a text for which there is no room

struct Column {
  std::string title;
  Align align = Align::left;
  // Narrowed to this where there is no room; 0: never narrowed.
  std::size_t least = 0;
  // Left out where narrowing is not enough, highest first; 0: never.
  int expendable = 0;
  Keeps keeps = Keeps::beginning;
};

struct Cell {
  std::string text;  // printable already (printable.h)
  Style style = Style::plain;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void row(std::vector<Cell> cells) { rows_.push_back(std::move(cells)); }
  std::size_t rows() const { return rows_.size(); }

  // Lines without newline, the header first; `width` as of Console::width().
  std::vector<std::string> lines(const Console& console, std::optional<std::size_t> width) const;

 private:
  struct Fit {
    std::size_t width = 0;
    bool shown = true;
  };
  std::vector<Fit> fit(std::optional<std::size_t> width) const;
  std::string line(const Console& console, const std::vector<Fit>& fits,
                   const std::vector<Cell>& cells) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace clawpatrol::cpctl
