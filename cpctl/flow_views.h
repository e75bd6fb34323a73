// How flows and actions look, wherever they are shown.
#pragma once

#include <string>
#include <vector>

#include "cpctl/console.h"
#include "cpctl/rates.h"
#include "cpctl/table.h"
#include "daemon/control/message.h"

namespace clawpatrol::cpctl {

// From the daemon's lines of type "flow"; with rates, a column of them.
Table flow_table(const std::vector<control::Message>& flows, const Rates* rates = nullptr);
// One line for an action as it happens, from a line of type "action".
std::string action_line(const Console& console, const control::Message& action);

// One line made of padded cells; knows how much of it is used, since escape codes take no columns.
class CellLine {
 public:
  explicit CellLine(const Console& console) : console_(console) {}
  void cell(Style style, const std::string& text, std::size_t columns);
  // The rest, cut at the edge of the terminal.
  std::string ending_in(const std::string& text) const;

 private:
  const Console& console_;
  std::string line_;
  std::size_t used_ = 0;
};

Style style_of_verdict(std::string_view verdict);
std::string shown(const control::Message& message, std::string_view key);  // printable; "" where absent
std::string time_of_day(std::string_view rfc3339);                         // 14:03:59

}  // namespace clawpatrol::cpctl
