#pragma once

#include <string>

namespace cordgate::proxy {

struct Gate;

/// What the gate counts, for Prometheus (text format 0.0.4). Labels are from fixed
/// sets: no user, path or guild, so that the number of series is bounded and nobody is
/// told who visits.
std::string metrics_text(Gate& gate);

}  // namespace cordgate::proxy
