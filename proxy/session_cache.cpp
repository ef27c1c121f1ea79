#include "proxy/session_cache.hpp"

#include <algorithm>

namespace cordgate::proxy {
namespace {

/// Whether `a` has an answer, or a grant, that is newer than what `b` has of it.
bool knows_more(const LiveSession& a, const LiveSession& b, TimePoint now) {
    const auto& ours = a.session.identity;
    const auto& theirs = b.session.identity;
    if (is_newer(ours.user_at, theirs.user_at, now)) return true;
    if (is_newer(ours.guilds_at, theirs.guilds_at, now)) return true;
    if (is_newer(a.session.grant.issued_at, b.session.grant.issued_at, now)) return true;
    return std::any_of(ours.members.begin(), ours.members.end(), [&](const auto& entry) {
        const auto* const other = theirs.find_membership(entry.first);
        return other && is_newer(entry.second.at, other->at, now);
    });
}

}  // namespace

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

LiveSessionPtr SessionCache::put(LiveSessionPtr session, TimePoint now) {
    auto& shard = shard_of(session->digest);
    const std::lock_guard lock(shard.mutex);
    if (shard.erased.contains(session->digest)) return nullptr;
    if (const auto found = shard.by_digest.find(session->digest); found != shard.by_digest.end()) {
        if (knows_more(**found->second, *session, now)) {
            if (!knows_more(*session, **found->second, now)) return *found->second;
            forget(shard, session->digest);  // each knows something: the store knows all
            return session;
        }
        *found->second = session;
        shard.by_use.splice(shard.by_use.begin(), shard.by_use, found->second);
        return session;
    }
    shard.by_use.push_front(session);
    shard.by_digest.emplace(shard.by_use.front()->digest, shard.by_use.begin());
    if (shard.by_use.size() > max_per_shard_) {
        shard.by_digest.erase(shard.by_use.back()->digest);
        shard.by_use.pop_back();
    }
    return session;
}

void SessionCache::replace(LiveSessionPtr session, TimePoint now) {
    auto& shard = shard_of(session->digest);
    const std::lock_guard lock(shard.mutex);
    const auto found = shard.by_digest.find(session->digest);
    if (found == shard.by_digest.end()) return;
    if (!knows_more(**found->second, *session, now)) {
        *found->second = std::move(session);
    } else if (knows_more(*session, **found->second, now)) {
        forget(shard, session->digest);
    }
}

void SessionCache::overwrite(LiveSessionPtr session) {
    auto& shard = shard_of(session->digest);
    const std::lock_guard lock(shard.mutex);
    const auto found = shard.by_digest.find(session->digest);
    if (found != shard.by_digest.end()) *found->second = std::move(session);
}

void SessionCache::forget(Shard& shard, const std::string& digest) {
    const auto found = shard.by_digest.find(digest);
    if (found == shard.by_digest.end()) return;
    shard.by_use.erase(found->second);
    shard.by_digest.erase(found);
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
    forget(shard, digest);
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
