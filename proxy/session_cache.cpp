#include "proxy/session_cache.hpp"

#include <algorithm>

namespace cordgate::proxy {

SessionCache::SessionCache(std::size_t max_sessions)
    : max_per_shard_(std::max<std::size_t>(1, max_sessions / shard_count)), shards_(shard_count) {}

SessionCache::Shard& SessionCache::shard_of(std::string_view digest) {
    return shards_[digest.empty() ? 0 : static_cast<unsigned char>(digest[0]) % shard_count];
}

LiveSessionPtr SessionCache::find(std::string_view digest, SteadyClock::time_point not_before) {
    auto& shard = shard_of(digest);
    const std::lock_guard lock(shard.mutex);
    const auto found = shard.by_digest.find(digest);
    const bool is_hit = found != shard.by_digest.end() && (*found->second)->cached_at >= not_before;
    ++(is_hit ? shard.statistics.hits : shard.statistics.misses);
    if (!is_hit) return nullptr;
    shard.by_use.splice(shard.by_use.begin(), shard.by_use, found->second);
    return *found->second;
}

bool SessionCache::put(LiveSessionPtr session) {
    auto& shard = shard_of(session->digest);
    const std::lock_guard lock(shard.mutex);
    if (shard.erased.contains(session->digest)) return false;
    if (const auto found = shard.by_digest.find(session->digest); found != shard.by_digest.end()) {
        *found->second = std::move(session);
        shard.by_use.splice(shard.by_use.begin(), shard.by_use, found->second);
        return true;
    }
    shard.by_use.push_front(std::move(session));
    shard.by_digest.emplace(shard.by_use.front()->digest, shard.by_use.begin());
    if (shard.by_use.size() > max_per_shard_) {
        shard.by_digest.erase(shard.by_use.back()->digest);
        shard.by_use.pop_back();
    }
    return true;
}

void SessionCache::replace(LiveSessionPtr session) {
    auto& shard = shard_of(session->digest);
    const std::lock_guard lock(shard.mutex);
    const auto found = shard.by_digest.find(session->digest);
    if (found != shard.by_digest.end()) *found->second = std::move(session);
}

void SessionCache::erase(const std::string& digest) {
    auto& shard = shard_of(digest);
    const std::lock_guard lock(shard.mutex);
    const auto now = SteadyClock::now();
    if (now - shard.swept > sweep_interval) {
        shard.swept = now;
        std::erase_if(shard.erased,
                      [&](const auto& entry) { return now - entry.second > tombstone_life; });
    }
    shard.erased.insert_or_assign(digest, now);
    const auto found = shard.by_digest.find(digest);
    if (found == shard.by_digest.end()) return;
    shard.by_use.erase(found->second);
    shard.by_digest.erase(found);
}

SessionCache::Statistics SessionCache::statistics() const {
    Statistics total;
    for (const auto& shard : shards_) {
        const std::lock_guard lock(shard.mutex);
        total.hits += shard.statistics.hits;
        total.misses += shard.statistics.misses;
    }
    return total;
}

std::size_t SessionCache::size() const {
    std::size_t total = 0;
    for (const auto& shard : shards_) {
        const std::lock_guard lock(shard.mutex);
        total += shard.by_use.size();
    }
    return total;
}

}  // namespace cordgate::proxy
