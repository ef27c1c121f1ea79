#pragma once

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "core/result.hpp"
#include "proxy/asio.hpp"

namespace cordgate::proxy {

/// Threads for what blocks: SQLite, Discord. Bounded, so that a store or a
/// Discord that hangs makes callers fail fast instead of queueing for ever.
class BlockingPool {
public:
    BlockingPool(std::size_t threads, std::size_t max_waiting)
        : pool_(threads), max_waiting_(max_waiting) {}

    /// False when too much is waiting; a true must be paired with `leave`.
    bool enter() {
        if (waiting_.fetch_add(1) < max_waiting_) return true;
        waiting_.fetch_sub(1);
        return false;
    }
    void leave() { waiting_.fetch_sub(1); }
    /// Runs `task` without anybody waiting for it; dropped when the pool is full.
    /// What it throws is dropped too: nobody is left to be told.
    template <class Task>
    void run_detached(Task task) {
        if (!enter()) return;
        asio::post(pool_, [this, task = std::move(task)]() mutable {
            try {
                task();
            } catch (...) {
            }
            leave();
        });
    }
    void join() { pool_.join(); }
    asio::thread_pool& pool() { return pool_; }

private:
    asio::thread_pool pool_;
    std::size_t max_waiting_;
    std::atomic<std::size_t> waiting_{0};
};

/// Runs `work`, which blocks and returns a Result, on the pool, and resumes here
/// with its answer. The caller stays suspended, so `work` may borrow from it.
/// What it throws is an internal error; a full pool is `unavailable`.
template <class Work>
Awaitable<std::invoke_result_t<Work&>> offload(BlockingPool& blocking, Work work) {
    using Answer = std::invoke_result_t<Work&>;
    std::optional<Answer> answer;
    if (!blocking.enter()) {
        co_return Error{ErrorKind::unavailable, ErrorSource::gate,
                        "too many blocking calls are waiting"};
    }
    auto initiate = [&](auto handler) {
        auto resume_on = asio::get_associated_executor(handler);
        auto keep_alive = asio::make_work_guard(resume_on);
        asio::post(blocking.pool(), [&, handler = std::move(handler), resume_on,
                                     keep_alive = std::move(keep_alive)]() mutable {
            try {
                answer.emplace(work());
            } catch (const std::exception& error) {
                answer.emplace(Error{ErrorKind::internal, ErrorSource::gate, error.what()});
            } catch (...) {
                answer.emplace(Error{ErrorKind::internal, ErrorSource::gate, "unknown exception"});
            }
            blocking.leave();
            asio::post(resume_on, std::move(handler));
        });
    };
    constexpr UseAwaitable token{};
    co_await asio::async_initiate<const UseAwaitable, void()>(initiate, token);
    co_return std::move(*answer);
}

}  // namespace cordgate::proxy
