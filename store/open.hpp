#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/session_events.hpp"
#include "core/session_repository.hpp"

namespace cordgate {

struct OpenedStore {
    std::unique_ptr<SessionEvents> events;  ///< of whichever replica ended a session
    std::unique_ptr<SessionRepository> sessions;
    std::string description;            ///< for the log: which store, where, which key
    std::vector<std::string> warnings;  ///< for the log: what may go wrong later
    /// How often a session was asked for that no key opens; as long as `sessions`.
    std::function<std::uint64_t()> unreadable;
};

/// Opens the store that session.store names: "memory:", "sqlite:PATH" or a RedisUrl.
///
/// `keys` are 32 raw bytes each: the first seals, all open. When there are none,
/// "sqlite:PATH" keeps one in PATH.key, and "memory:" makes one that is gone
/// with the process; Redis needs one, which its replicas share. A Redis that does
/// not answer is a warning, not a failure. Throws std::runtime_error with a message for people:
/// what, where, and what to do.
OpenedStore open_sessions(const std::string& url, const std::vector<Secret>& keys,
                          std::chrono::seconds idle_timeout);

}  // namespace cordgate
