#pragma once

#include <atomic>
#include <cstring>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/session.hpp"
#include "core/session_keeper.hpp"
#include "proxy/io/deadlines.hpp"

namespace cordgate::proxy {

/// A session as requests use it: an immutable snapshot that already holds its
/// rendered headers. What moves is atomic and only ever moves forward.
struct LiveSession {
    Session session;
    std::string digest;   ///< its key in the store
    std::string headers;  ///< "X-Discord-User-Id: 1\r\n" lines
    SteadyClock::time_point cached_at;
    Freshness freshness;                           ///< how long what it says may be used
    Span pause;                                    ///< Discord could not tell: not in this while
    mutable std::atomic<Clock::rep> last_seen{0};  ///< ticks since Clock's epoch
    mutable std::atomic<Clock::rep> touched{0};    ///< last time the store was told
    mutable std::atomic<bool> login_data_pending{false};
    mutable std::atomic<Clock::rep> asked_ahead{0};  ///< last time it was asked for ahead of need
};

using LiveSessionPtr = std::shared_ptr<const LiveSession>;

/// Sessions in memory, bounded, least recently used out first. Thread-safe; a
/// look-up takes one shard's lock.
class SessionCache {
public:
    explicit SessionCache(std::size_t max_sessions);

    /// Null when it is not there or was put in before `not_before`.
    LiveSessionPtr find(std::string_view digest, SteadyClock::time_point not_before);
    /// What is to be used from here on: the session, or what is there already and knows more,
    /// since news may overtake a look at the store. Null, and ignored, for a session that was
    /// erased since it was read.
    LiveSessionPtr put(LiveSessionPtr session, TimePoint now);
    /// Puts it in place of what is there and knows no more; ignored when nothing is.
    void replace(LiveSessionPtr session, TimePoint now);
    /// The same, whatever is known.
    void overwrite(LiveSessionPtr session);
    void erase(const std::string& digest);
    std::size_t size() const;

    struct Statistics {
        std::uint64_t hits = 0;
        std::uint64_t misses = 0;  ///< not there, or too old
    };
    Statistics statistics() const;

private:
    static constexpr std::size_t shard_count = 16;
    static constexpr std::chrono::minutes tombstone_life{1};
    static constexpr std::chrono::seconds sweep_interval{1};

    /// A digest is uniform already; its first byte chooses the shard.
    struct DigestHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view digest) const {
            if (digest.size() < 1 + sizeof(std::size_t)) return digest.size();
            std::size_t hash = 0;
            std::memcpy(&hash, digest.data() + 1, sizeof hash);
            return hash;
        }
    };

    struct Shard {
        mutable std::mutex mutex;
        std::list<LiveSessionPtr> by_use;  ///< most recent first
        std::unordered_map<std::string, std::list<LiveSessionPtr>::iterator, DigestHash,
                           std::equal_to<>>
            by_digest;
        /// Erased lately: what a slow read brings back must not revive them.
        std::unordered_map<std::string, SteadyClock::time_point> erased;
        SteadyClock::time_point swept{};
        Statistics statistics;
    };

    Shard& shard_of(std::string_view digest);
    static void forget(Shard& shard, const std::string& digest);

    std::size_t max_per_shard_;
    std::vector<Shard> shards_;
};

}  // namespace cordgate::proxy
