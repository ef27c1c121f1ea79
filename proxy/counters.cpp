#include "proxy/counters.hpp"

#include <algorithm>

namespace cordgate::proxy {

using std::memory_order_relaxed;

void ResponseCounts::add(int status) noexcept {
    const auto hundreds = static_cast<std::size_t>(status) / 100;
    auto& counts = shards_[shard_of_thread()].by_class;
    counts[hundreds < counts.size() ? hundreds : 0].fetch_add(1, memory_order_relaxed);
}

void ResponseCounts::add(int status, std::chrono::steady_clock::duration time) noexcept {
    add(status);
    auto& shard = shards_[shard_of_thread()];
    const double seconds = std::chrono::duration<double>(time).count();
    const auto bound = std::ranges::lower_bound(bounds, seconds);
    shard.by_duration[static_cast<std::size_t>(bound - bounds.begin())].fetch_add(
        1, memory_order_relaxed);
    const auto whole = std::chrono::duration_cast<std::chrono::microseconds>(time).count();
    shard.microseconds.fetch_add(static_cast<std::uint64_t>(whole), memory_order_relaxed);
}

ResponseCounts::Totals ResponseCounts::totals() const {
    Totals out;
    for (const auto& shard : shards_) {
        for (std::size_t i = 0; i < out.by_class.size(); ++i) out.by_class[i] += shard.by_class[i];
        for (std::size_t i = 0; i < out.by_duration.size(); ++i) {
            out.by_duration[i] += shard.by_duration[i];
        }
        out.time += std::chrono::microseconds(shard.microseconds.load());
    }
    return out;
}

std::size_t ResponseCounts::shard_of_thread() noexcept {
    static std::atomic<std::size_t> threads{0};
    thread_local const std::size_t number = threads++ % shard_count;
    return number;
}

void RefusalCounts::add(int status) noexcept {
    if (status >= 400) counts_[index_of(status)].fetch_add(1, memory_order_relaxed);
}

std::size_t RefusalCounts::index_of(int status) noexcept {
    constexpr auto other = std::ranges::find(statuses, 500) - statuses.begin();
    const auto found = std::ranges::find(statuses, status);
    return static_cast<std::size_t>(found == statuses.end() ? other : found - statuses.begin());
}

}  // namespace cordgate::proxy
