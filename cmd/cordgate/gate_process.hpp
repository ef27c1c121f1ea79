#pragma once

#include <functional>
#include <optional>

#include "config/settings.hpp"

namespace cordgate {

/// Must be called first in a process that will run a gate, before any thread:
/// the signals that steer it are then taken by `run_gate` alone.
void block_signals();

/// What `run_gate` tells once clients are served.
struct Listening {
    std::vector<std::string> addresses;
    std::string internal;
};

/// Reads the settings anew; nullopt when they are wrong, after saying why in the log.
using LoadAgain = std::function<std::optional<config::Settings>()>;

/// Builds the object graph from `settings` and serves until SIGTERM or SIGINT:
/// then drains, up to timeouts.drain; a second signal stops at once. SIGHUP takes up
/// what `load` returns, without losing a client. Returns the exit code. Throws
/// std::runtime_error when it cannot start, with a message for people. Logging must
/// have been started.
int run_gate(const config::Settings& settings, const std::function<void(const Listening&)>& ready,
             const LoadAgain& load);

}  // namespace cordgate
