#include "cpctl/table.h"

#include <algorithm>
#include <utility>

#include "cpctl/printable.h"

namespace clawpatrol::cpctl {
namespace {

constexpr std::size_t gap = 2;

}  // namespace

std::vector<Table::Fit> Table::fit(std::optional<std::size_t> width) const {
  std::vector<Fit> fits(columns_.size());
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    fits[i].width = display_width(columns_[i].title);
    for (const auto& cells : rows_) fits[i].width = std::max(fits[i].width, display_width(cells[i].text));
  }
  if (!width) return fits;
  auto total = [&fits] {
    std::size_t sum = 0;
    for (const Fit& fit : fits) sum += fit.shown ? fit.width + gap : 0;
    return sum == 0 ? 0 : sum - gap;
  };
  auto narrow = [&] {
    // The last column first: it is the text that can be as long as it likes.
    for (std::size_t i = columns_.size(); i-- > 0 && total() > *width;) {
      if (columns_[i].least == 0 || !fits[i].shown) continue;
      std::size_t least = std::min(fits[i].width, columns_[i].least);
      fits[i].width -= std::min(total() - *width, fits[i].width - least);
    }
  };
  const std::vector<Fit> natural = fits;
  for (;;) {
    narrow();
    if (total() <= *width) return fits;
    std::size_t victim = columns_.size();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (!fits[i].shown || columns_[i].expendable == 0) continue;
      if (victim == columns_.size() || columns_[i].expendable > columns_[victim].expendable) victim = i;
    }
    if (victim == columns_.size()) return fits;
    for (std::size_t i = 0; i < fits.size(); ++i) fits[i].width = natural[i].width;
    fits[victim].shown = false;
  }
}

std::string Table::line(const Console& console, const std::vector<Fit>& fits,
                        const std::vector<Cell>& cells) const {
  std::string out;
  std::size_t pending = 0;  // blanks that are written only if something follows
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (!fits[i].shown) continue;
    const bool beginning = columns_[i].keeps == Keeps::beginning;
    std::string text =
        beginning ? clipped(cells[i].text, fits[i].width) : clipped_to_end(cells[i].text, fits[i].width);
    std::size_t pad = fits[i].width - std::min(fits[i].width, display_width(text));
    if (columns_[i].align == Align::right) pending += std::exchange(pad, 0);
    if (!text.empty()) {
      out.append(pending, ' ');
      out += console.paint(cells[i].style, text);
      pending = 0;
    } else {
      pending += fits[i].width - pad;
    }
    pending += pad + gap;
  }
  return out;
}

std::vector<std::string> Table::lines(const Console& console, std::optional<std::size_t> width) const {
  std::vector<Fit> fits = fit(width);
  std::vector<Cell> titles;
  for (const Column& column : columns_) titles.push_back({column.title, Style::dim});
  std::vector<std::string> out{line(console, fits, titles)};
  for (const auto& cells : rows_) out.push_back(line(console, fits, cells));
  return out;
}

}  // namespace clawpatrol::cpctl
