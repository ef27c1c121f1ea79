#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "core/login/flow.hpp"

namespace cordgate::proxy {

/// Responses by the class of their status. Counting takes no lock, and threads seldom
/// meet on one cache line. Thread-safe.
class StatusCounts {
public:
    /// By hundreds; [0]: no response was sent.
    using Totals = std::array<std::uint64_t, 6>;

    void add(int status) noexcept {
        const auto hundreds = static_cast<std::size_t>(status) / 100;
        auto& counts = shards_[shard_of_thread()].counts;
        counts[hundreds < counts.size() ? hundreds : 0].fetch_add(1, std::memory_order_relaxed);
    }
    Totals totals() const {
        Totals out{};
        for (const auto& shard : shards_) {
            for (std::size_t i = 0; i < out.size(); ++i) out[i] += shard.counts[i];
        }
        return out;
    }

private:
    struct alignas(64) Shard {
        std::array<std::atomic<std::uint64_t>, 6> counts{};
    };

    static std::size_t shard_of_thread() noexcept {
        static std::atomic<std::size_t> threads{0};
        thread_local const std::size_t number = threads++;
        return number % std::tuple_size_v<decltype(shards_)>;
    }

    std::array<Shard, 8> shards_;
};

/// How logins begin and end. Thread-safe.
struct LoginCounts {
    static constexpr std::size_t failures = static_cast<std::size_t>(LoginFailure::unavailable) + 1;

    std::atomic<std::uint64_t> begun{0};
    std::atomic<std::uint64_t> finished{0};
    std::array<std::atomic<std::uint64_t>, failures> failed{};
    std::atomic<std::uint64_t> logouts{0};
    std::atomic<std::uint64_t> sessions_ended{0};  ///< however: logout, internal API, elsewhere

    void add(LoginFailure failure) { ++failed[static_cast<std::size_t>(failure)]; }
};

}  // namespace cordgate::proxy
