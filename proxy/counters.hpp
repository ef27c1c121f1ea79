#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "core/login/flow.hpp"

namespace cordgate::proxy {

/// Responses by the class of their status, and how long they took. Counting takes no
/// lock, and threads seldom meet on one cache line. Thread-safe.
class ResponseCounts {
public:
    /// Bounds of the classes of duration, in seconds; what takes longer is in none.
    static constexpr std::array<double, 11> bounds = {0.001, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                      0.25,  0.5,   1,    2.5,   10};

    struct Totals {
        /// By hundreds; [0]: no response was sent.
        std::array<std::uint64_t, 6> by_class{};
        /// By duration: [i] took at most bounds[i] and longer than the one before it, the
        /// last took longer than all.
        std::array<std::uint64_t, bounds.size() + 1> by_duration{};
        std::chrono::microseconds time{};  ///< of all together
    };

    /// `time`: from the request's head to the last byte of the response.
    void add(int status, std::chrono::steady_clock::duration time) noexcept;
    /// One whose time says nothing: a tunnel's, or of a request that was not read.
    void add(int status) noexcept;
    Totals totals() const;

private:
    struct alignas(64) Shard {
        std::array<std::atomic<std::uint64_t>, 6> by_class{};
        std::array<std::atomic<std::uint64_t>, bounds.size() + 1> by_duration{};
        std::atomic<std::uint64_t> microseconds{0};
    };
    static constexpr std::size_t shard_count = 8;

    static std::size_t shard_of_thread() noexcept;

    std::array<Shard, shard_count> shards_;
};

/// Requests that we refused ourselves, by status: what each limit and time-out did.
/// Thread-safe.
class RefusalCounts {
public:
    /// All that we refuse with; another counts as 500.
    static constexpr std::array<int, 17> statuses = {400, 401, 403, 404, 405, 408, 413, 414, 415,
                                                     421, 429, 431, 500, 501, 502, 503, 504};

    /// Counts a `status` of 400 or more.
    void add(int status) noexcept;
    std::uint64_t of(int status) const noexcept { return counts_[index_of(status)]; }

private:
    static std::size_t index_of(int status) noexcept;

    std::array<std::atomic<std::uint64_t>, statuses.size()> counts_{};
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
