#pragma once

#include <chrono>
#include <compare>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "core/clock.hpp"
#include "core/result.hpp"
#include "core/snowflake.hpp"

namespace cordgate::discord {

enum class Resource { user, guilds, guilds_with_counts, connections, member };

/// What is kept for one user; `guild` for members only.
struct CacheKey {
    Snowflake user;
    Resource resource = Resource::user;
    Snowflake guild{};
    /// Who sees the same: Discord tells some grants of a user more than others.
    std::string view{};

    auto operator<=>(const CacheKey&) const = default;
};

/// The key of what a grant with `scopes` is told. A profile has an address only with
/// the scope email: what one session may see is not another's by way of the cache.
CacheKey key_for(Snowflake user, const std::vector<std::string>& scopes, Resource resource,
                 Snowflake guild = {});

/// What Discord said, and when we asked.
struct CacheEntry {
    std::shared_ptr<const std::string> json;
    TimePoint at;
};

/// What somebody else learned, to be kept; `null` for a member: there is none.
struct Document {
    CacheKey key;
    std::string json;
    TimePoint at;
};

struct CacheLimits {
    std::size_t entries = 10000;
    std::size_t bytes = 64 << 20;
    std::chrono::seconds age = std::chrono::hours(1);  ///< older entries are gone
};

struct CacheStatistics {
    std::uint64_t hits = 0;       ///< answered from here
    std::uint64_t misses = 0;     ///< asked Discord
    std::uint64_t shared = 0;     ///< waited for somebody else's call
    std::uint64_t failures = 0;   ///< of the misses: Discord gave no document
    std::uint64_t evictions = 0;  ///< made room; what grew too old does not count
    std::size_t entries = 0;
    std::size_t bytes = 0;
};

/// Discord's documents of our users, in this process.
///
/// Bounded in entries, bytes and age. Makes room by taking what was used least
/// often, with ageing (LFU-DA: each eviction raises the floor for newcomers, so
/// what was popular once does not stay for ever). One call at a time per user and
/// resource: who comes meanwhile waits and gets the same answer or the same
/// failure. Failures are not kept. Thread-safe.
class Cache {
public:
    using Fetch = std::function<Result<std::string>()>;

    Cache(CacheLimits limits, Now now) : limits_(limits), now_(std::move(now)) {}

    /// The entry under `key` when it is not older than `max_age`, else what `fetch`
    /// brings, which is kept. `max_age` zero: always asks. `fetch` runs on this
    /// thread without a lock, and must not use the cache under the same key.
    Result<CacheEntry> get(const CacheKey& key, std::chrono::seconds max_age, const Fetch& fetch);

    /// The entry as it is, never asking; nullopt when there is none (quartcord's
    /// get_from_cache, `cached_only`).
    std::optional<CacheEntry> peek(const CacheKey& key);

    /// Keeps what somebody else learned at `at`, unless what is here is newer.
    void put(const CacheKey& key, std::string json, TimePoint at);
    void put(Document document) { put(document.key, std::move(document.json), document.at); }

    /// Drops all there is of a user; a call on its way is not kept either.
    void forget(Snowflake user);
    void clear();

    CacheStatistics statistics() const;

private:
    struct Flight {
        bool is_over = false;
        bool is_unwanted = false;  // its user was forgotten meanwhile
        std::optional<Result<CacheEntry>> outcome;
    };
    using Rank = std::tuple<std::uint64_t, std::uint64_t, CacheKey>;  // priority, last use
    struct Slot {
        CacheEntry entry;
        std::uint64_t uses = 0;
        Rank rank;
        std::list<CacheKey>::iterator place;  // in by_age_
    };
    using Slots = std::map<CacheKey, Slot>;

    const CacheEntry* find(const CacheKey& key);
    void keep(const CacheKey& key, CacheEntry entry);
    void use(Slots::iterator slot);
    void drop(Slots::iterator slot);
    bool is_too_old(const CacheEntry& entry) const;
    void drop_old();
    void make_room();

    const CacheLimits limits_;
    const Now now_;
    mutable std::mutex mutex_;
    std::condition_variable landed_;
    Slots slots_;
    std::set<Rank> by_rank_;      // the first goes first
    std::list<CacheKey> by_age_;  // in the order of keeping
    std::map<CacheKey, std::shared_ptr<Flight>> flights_;
    std::uint64_t floor_ = 0;
    std::uint64_t uses_ = 0;
    CacheStatistics statistics_;
};

}  // namespace cordgate::discord
