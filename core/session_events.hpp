#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace cordgate {

/// News of sessions that were ended, for caches that drop them and connections
/// that are cut. This class tells them within the process; a store that several
/// replicas share brings one that hears the others, too.
///
/// Calls may come from any thread at once. A subscriber is called on the thread
/// that brings the news: it must be quick, and must not subscribe, unsubscribe
/// or end sessions.
class SessionEvents {
public:
    using Ended = std::function<void(const std::string& digest)>;
    using SteadyTime = std::chrono::steady_clock::time_point;

    /// While it lives the subscriber is told; once it is gone, never again. The
    /// SessionEvents has to outlive it.
    class [[nodiscard]] Subscription {
    public:
        Subscription() = default;
        Subscription(Subscription&& other) noexcept
            : events_(std::exchange(other.events_, nullptr)), number_(other.number_) {}
        Subscription& operator=(Subscription&& other) noexcept {
            std::swap(events_, other.events_);
            std::swap(number_, other.number_);
            return *this;
        }
        ~Subscription();

    private:
        friend class SessionEvents;
        Subscription(SessionEvents* events, std::uint64_t number)
            : events_(events), number_(number) {}

        SessionEvents* events_ = nullptr;
        std::uint64_t number_ = 0;
    };

    SessionEvents() = default;
    SessionEvents(const SessionEvents&) = delete;
    SessionEvents& operator=(const SessionEvents&) = delete;
    virtual ~SessionEvents() = default;

    Subscription subscribe(Ended ended);
    /// Tells the subscribers of this process. Other replicas learn it from the
    /// store, in the very step that ends the session.
    void publish_ended(const std::string& digest);

    /// The instant since which every end of a session was told, whoever ended it.
    /// nullopt while some may go unheard: what is cached should then be asked for
    /// again after at most `unheard_age`. What was cached before that instant
    /// may have ended unheard as well.
    virtual std::optional<SteadyTime> heard_since(SteadyTime now) const;
    /// With the time it takes to notice, a revocation is effective within a second.
    static constexpr std::chrono::milliseconds unheard_age{400};

private:
    std::mutex mutex_;  // guards all below; held while subscribers are called
    std::map<std::uint64_t, Ended> subscribers_;
    std::uint64_t last_number_ = 0;
};

}  // namespace cordgate
