// What Prometheus reads: counters, gauges and histograms of the whole gateway, in its text format (version
// 0.0.4).
#pragma once

#include <string>

#include "daemon/gateway/command_views.h"

namespace clawpatrol {

// Names begin with `clawpatrol_`; labels are endpoints, verdicts, kinds, reasons and peers: what an operator
// chose, and never what an agent sent.
std::string metrics_text(const Shared& shared, const StatusFacts& facts);

// A label's value between its quotes.
std::string escaped_label(std::string_view text);

}  // namespace clawpatrol
