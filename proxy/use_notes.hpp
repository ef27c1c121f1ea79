#pragma once

#include <atomic>
#include <string>

#include "core/session_repository.hpp"
#include "proxy/io/deadlines.hpp"
#include "proxy/io/offload.hpp"

namespace cordgate::proxy {

/// Tells the store which sessions are used, one after the other, behind the requests' backs.
///
/// A store that is slow to take it keeps nobody else from it. What is told within a second
/// after the store refused is dropped: the session's next use tells again, and nothing piles
/// up. Thread-safe.
class UseNotes {
public:
    explicit UseNotes(SessionRepository& sessions) : sessions_(sessions) {}

    void tell(const std::string& digest, TimePoint when);
    /// Finishes what was told.
    void join() { calls_.join(); }

private:
    void note(const std::string& digest, TimePoint when);

    SessionRepository& sessions_;
    std::atomic<SteadyClock::rep> dropping_until_{0};
    BlockingPool calls_{1, 4096};
};

}  // namespace cordgate::proxy
