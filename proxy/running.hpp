#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/rule.hpp"
#include "core/session_events.hpp"
#include "proxy/io/deadlines.hpp"
#include "proxy/io/task.hpp"

namespace cordgate::proxy {

class EventLoop;
class RunningExchanges;
struct Exchange;
struct Gate;
struct LiveSession;

/// An exchange's place among those that run in the name of a session; leaves with it.
class Running {
public:
    Running() = default;
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running();

private:
    friend class RunningExchanges;

    RunningExchanges* owner_ = nullptr;
    Running* next_ = nullptr;
    Running* previous_ = nullptr;
    Exchange* exchange_ = nullptr;
    const Rule* rule_ = nullptr;
    std::array<char, 32> digest_{};
    SteadyClock::time_point cut_at_ = SteadyClock::time_point::max();
};

/// What one worker forwards in the name of sessions, so that WebSockets, event
/// streams and long responses end with the session, or when the visitor may no longer
/// see what they show.
///
/// That a session ended is heard, and where that may fail the store is asked, for all
/// sessions in one call. What else changes is looked at every second, and a session whose
/// streams are all that is left of it is kept fresh. WebSockets get a
/// close frame (1008). An open stream counts as use of the session. On the worker's
/// thread, but for `session_ended`.
class RunningExchanges final : private Deadline {
public:
    RunningExchanges(Gate& gate, EventLoop& loop);
    ~RunningExchanges() override = default;

    /// `exchange` runs under `rule` for the session `digest` until it dies. No
    /// allocation.
    void enter(Exchange& exchange, std::string_view digest, const Rule& rule);
    /// Cuts what runs for it. Any thread.
    void session_ended(const std::string& digest);

    std::size_t size() const { return size_; }

    /// A response has this long to come to its end by itself.
    static constexpr std::chrono::milliseconds grace{500};

private:
    friend class Running;

    void on_expiry() override {}
    void on_tick() override;
    void leave(Running& place);
    void hear();
    void doom_all(const std::set<std::string>& ended);
    void look_at_all(SteadyClock::time_point now);
    void look_at(Running& place, SteadyClock::time_point now);
    void judge_again(Running& place, const LiveSession& live, SteadyClock::time_point now);
    void look_closer(const std::string& digest);
    void look_for_ends(SteadyClock::time_point now);
    Task<void> find_ended();
    Task<void> confirm(std::string digest);
    void doom(Running& place, SteadyClock::time_point now);
    void cut(Running& place);

    Gate& gate_;
    EventLoop& loop_;
    Running* first_ = nullptr;
    std::size_t size_ = 0;
    std::size_t doomed_ = 0;
    SteadyClock::time_point looked_{};
    std::string digest_;                ///< of the place looked at
    std::set<std::string> confirming_;  ///< those that look_closer is at
    bool finding_ended_ = false;
    SteadyClock::time_point asked_{};    ///< when `find_ended` last began
    SteadyClock::time_point settled_{};  ///< every session that ended before is known to have

    std::mutex mutex_;
    std::set<std::string> ended_;  ///< guarded; not heard yet
    SessionEvents::Subscription subscription_;
};

}  // namespace cordgate::proxy
