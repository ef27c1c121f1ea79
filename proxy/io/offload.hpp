#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/result.hpp"
#include "proxy/io/event_loop.hpp"

namespace cordgate::proxy {

/// Threads for what blocks: SQLite, Discord. Bounded, so that a store or a
/// Discord that hangs makes callers fail fast instead of queueing for ever.
class BlockingPool {
public:
    /// At most `max_calls` wait or run at once. What `offload` brings is not run any more when
    /// a thread is free for it only after `patience`: whoever asked would have gone.
    BlockingPool(std::size_t threads, std::size_t max_calls,
                 SteadyClock::duration patience = SteadyClock::duration::max());
    ~BlockingPool() { join(); }
    BlockingPool(const BlockingPool&) = delete;
    BlockingPool& operator=(const BlockingPool&) = delete;

    /// Runs `call` on one of the threads; false, and nothing happens, when the pool
    /// is full or joined. What it throws is dropped: nobody is left to be told.
    /// `then` is called there once the call's place is free again.
    bool run(std::function<void()> call, std::function<void()> then = {});
    /// Finishes what was taken, and takes no more.
    void join();

    struct Load {
        std::size_t running = 0;
        std::size_t waiting = 0;
    };
    Load load();
    SteadyClock::duration patience() const { return patience_; }

private:
    struct Call {
        std::function<void()> run;
        std::function<void()> then;
    };

    void work();

    std::size_t max_calls_;
    SteadyClock::duration patience_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Call> calls_;
    std::size_t running_ = 0;
    bool joined_ = false;
    std::vector<std::thread> threads_;
};

/// Runs `work`, which blocks and returns a Result, on the pool, and resumes on
/// this loop with its answer. The caller stays suspended, so `work` may borrow
/// from it. What it throws is an internal error; a pool that is full, or that has no thread
/// for it within its patience, is `unavailable`, and `work` was not run.
template <class Work>
class Offload {
public:
    using Answer = std::invoke_result_t<Work&>;

    Offload(BlockingPool& pool, Work work) : pool_(pool), work_(std::move(work)) {}
    Offload(const Offload&) = delete;
    Offload& operator=(const Offload&) = delete;

    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> caller) {
        auto& loop = *EventLoop::current();
        asked_ = SteadyClock::now();
        const bool taken = pool_.run([this] { answer_.emplace(call()); },
                                     [caller, &loop] { loop.post([caller] { caller.resume(); }); });
        if (!taken) {
            answer_.emplace(Error{ErrorKind::unavailable, ErrorSource::gate,
                                  "too many blocking calls are waiting"});
        }
        return taken;
    }
    Answer await_resume() { return std::move(*answer_); }

private:
    Answer call() {
        if (SteadyClock::now() - asked_ > pool_.patience()) {
            return Error{ErrorKind::unavailable, ErrorSource::gate,
                         "no thread for a blocking call in time"};
        }
        try {
            return work_();
        } catch (const std::exception& error) {
            return Error{ErrorKind::internal, ErrorSource::gate, error.what()};
        } catch (...) {
            return Error{ErrorKind::internal, ErrorSource::gate, "unknown exception"};
        }
    }

    BlockingPool& pool_;
    Work work_;
    SteadyClock::time_point asked_;
    std::optional<Answer> answer_;
};

template <class Work>
Offload<Work> offload(BlockingPool& pool, Work work) {
    return {pool, std::move(work)};
}

}  // namespace cordgate::proxy
