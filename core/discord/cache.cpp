#include "core/discord/cache.hpp"

#include <algorithm>
#include <utility>

namespace cordgate::discord {
namespace {

// What another replica's clock may be ahead of ours.
constexpr std::chrono::minutes max_clock_skew{1};

// What an entry takes beside its text, roughly.
constexpr std::size_t overhead = 256;

std::size_t size_of(const CacheEntry& entry) {
    return entry.json->size() + overhead;
}

// A scope of tomorrow may widen a profile as email does today, so all of them count.
std::string all_of(std::vector<std::string> scopes) {
    std::sort(scopes.begin(), scopes.end());
    std::string text;
    for (const auto& scope : scopes) text.append(scope).append(" ");
    return text;
}

}  // namespace

CacheKey key_for(Snowflake user, const std::vector<std::string>& scopes, Resource resource,
                 Snowflake guild) {
    CacheKey key{user, resource, guild};
    if (resource == Resource::user) key.view = all_of(scopes);
    // Without the scope only the bot can tell, of guilds that it is in.
    const bool asks_bot =
        std::find(scopes.begin(), scopes.end(), "guilds.members.read") == scopes.end();
    if (resource == Resource::member && asks_bot) key.view = "bot";
    return key;
}

Result<CacheEntry> Cache::get(const CacheKey& key, std::chrono::seconds max_age,
                              const Fetch& fetch) {
    std::unique_lock lock(mutex_);
    const auto* known = find(key);
    if (known && max_age.count() > 0) {
        const auto age = now_() - known->at;
        // What comes from the future tells of a clock that was set back.
        if (age <= max_age && age >= -max_clock_skew) {
            ++statistics_.hits;
            return *known;
        }
    }
    if (const auto it = flights_.find(key); it != flights_.end()) {
        const auto flight = it->second;
        ++statistics_.shared;
        landed_.wait(lock, [&] { return flight->is_over; });
        return *flight->outcome;
    }

    const auto flight = std::make_shared<Flight>();
    flights_[key] = flight;
    ++statistics_.misses;
    const TimePoint asked_at = now_();
    lock.unlock();
    Result<CacheEntry> outcome = Error{ErrorKind::internal, ErrorSource::gate, "fetching failed"};
    try {
        auto json = fetch();
        if (json) {
            outcome = CacheEntry{std::make_shared<const std::string>(*std::move(json)), asked_at};
        } else {
            outcome = json.error();
        }
    } catch (...) {  // those who wait must not wait for ever
        outcome = Error{ErrorKind::internal, ErrorSource::gate, "fetching threw"};
    }
    lock.lock();
    if (!outcome) ++statistics_.failures;
    if (outcome && !flight->is_unwanted) keep(key, *outcome);
    flight->outcome = outcome;
    flight->is_over = true;
    if (const auto it = flights_.find(key); it != flights_.end() && it->second == flight) {
        flights_.erase(it);
    }
    landed_.notify_all();
    return outcome;
}

std::optional<CacheEntry> Cache::peek(const CacheKey& key) {
    const std::lock_guard lock(mutex_);
    const auto* known = find(key);
    if (!known) return std::nullopt;
    ++statistics_.hits;
    return *known;
}

void Cache::put(const CacheKey& key, std::string json, TimePoint at) {
    const std::lock_guard lock(mutex_);
    keep(key, {std::make_shared<const std::string>(std::move(json)), at});
}

void Cache::forget(Snowflake user) {
    const std::lock_guard lock(mutex_);
    const CacheKey first{user};
    auto it = slots_.lower_bound(first);
    while (it != slots_.end() && it->first.user == user) drop(it++);
    // Whoever asks from now on starts a call of their own.
    auto flight = flights_.lower_bound(first);
    while (flight != flights_.end() && flight->first.user == user) {
        flight->second->is_unwanted = true;
        flight = flights_.erase(flight);
    }
}

void Cache::clear() {
    const std::lock_guard lock(mutex_);
    while (!slots_.empty()) drop(slots_.begin());
    for (auto& [key, flight] : flights_) flight->is_unwanted = true;
    flights_.clear();
}

CacheStatistics Cache::statistics() const {
    const std::lock_guard lock(mutex_);
    auto statistics = statistics_;
    statistics.entries = slots_.size();
    return statistics;
}

// --- with the lock held -----------------------------------------------------------

const CacheEntry* Cache::find(const CacheKey& key) {
    drop_old();
    const auto it = slots_.find(key);
    if (it == slots_.end()) return nullptr;
    if (is_too_old(it->second.entry)) return drop(it), nullptr;
    use(it);
    return &it->second.entry;
}

void Cache::keep(const CacheKey& key, CacheEntry entry) {
    if (size_of(entry) > limits_.bytes || limits_.entries == 0) return;
    std::uint64_t uses = 0;
    if (const auto it = slots_.find(key); it != slots_.end()) {
        const auto at = it->second.entry.at;
        if (at > entry.at && at <= now_() + max_clock_skew) return;
        uses = it->second.uses;
        drop(it);
    }
    statistics_.bytes += size_of(entry);
    const auto place = by_age_.insert(by_age_.end(), key);
    const auto it = slots_.emplace(key, Slot{std::move(entry), uses, {}, place}).first;
    make_room();  // it is in no rank yet, so it stays
    use(it);
}

void Cache::use(Slots::iterator it) {
    Slot& slot = it->second;
    by_rank_.erase(slot.rank);
    slot.rank = {floor_ + ++slot.uses, ++uses_, it->first};
    by_rank_.insert(slot.rank);
}

void Cache::drop(Slots::iterator it) {
    statistics_.bytes -= size_of(it->second.entry);
    by_rank_.erase(it->second.rank);
    by_age_.erase(it->second.place);
    slots_.erase(it);
}

// A clock that went back must not keep anything for longer.
bool Cache::is_too_old(const CacheEntry& entry) const {
    const auto age = now_() - entry.at;
    return age > limits_.age || age < -limits_.age;
}

void Cache::drop_old() {
    while (!by_age_.empty()) {
        const auto oldest = slots_.find(by_age_.front());
        if (!is_too_old(oldest->second.entry)) return;
        drop(oldest);
    }
}

void Cache::make_room() {
    while (!by_rank_.empty() &&
           (slots_.size() > limits_.entries || statistics_.bytes > limits_.bytes)) {
        const Rank least = *by_rank_.begin();
        floor_ = std::get<0>(least);
        drop(slots_.find(std::get<2>(least)));
        ++statistics_.evictions;
    }
}

}  // namespace cordgate::discord
