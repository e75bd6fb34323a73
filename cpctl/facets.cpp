// `cpctl facets`: what a condition may ask; the table of docs/facets.md.
#include "parsers/facets.h"
#include "cpctl/commands.h"
#include "cpctl/table.h"
#include "daemon/control/message.h"

namespace clawpatrol::cpctl {

int facets(Context context) {
  Console& console = context.console;
  Table table(
      {{"FACET"}, {"TYPE", Align::left, 0, 2}, {"OF", Align::left, 0, 1}, {"MEANING", Align::left, 20}});
  for (const FacetInfo& facet : facet_table) {
    if (console.json())
      console.line(control::message_of_type("facet")
                       .add("name", facet.path)
                       .add("value_type", name_of(facet.type))
                       .add("of", name_of(facet.family))
                       .add("meaning", facet.meaning)
                       .text());
    else
      table.row({{std::string(facet.path), Style::bold},
                 {std::string(name_of(facet.type))},
                 {std::string(name_of(facet.family))},
                 {std::string(facet.meaning)}});
  }
  if (console.json()) return exit_ok;
  for (const std::string& line : table.lines(console, console.width())) console.line(line);
  return exit_ok;
}

}  // namespace clawpatrol::cpctl
