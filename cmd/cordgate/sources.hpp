#pragma once

#include "cmd/cordgate/options.hpp"
#include "config/load.hpp"

namespace cordgate {

/// Where this process's settings come from: --config, else CORDGATE_CONFIG, else
/// ./cordgate.yaml or /etc/cordgate/cordgate.yaml where there is one.
config::Sources find_sources(const Invocation& invocation);

}  // namespace cordgate
