#include "proxy/io/offload.hpp"

namespace cordgate::proxy {

BlockingPool::BlockingPool(std::size_t threads, std::size_t max_calls,
                           SteadyClock::duration patience)
    : max_calls_(max_calls), patience_(patience) {
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

bool BlockingPool::run(std::function<void()> call, std::function<void()> then) {
    {
        const std::lock_guard lock(mutex_);
        if (joined_ || calls_.size() + running_ >= max_calls_) return false;
        calls_.push_back({std::move(call), std::move(then)});
    }
    changed_.notify_one();
    return true;
}

void BlockingPool::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return joined_ || !calls_.empty(); });
        if (calls_.empty()) return;
        auto call = std::move(calls_.front());
        calls_.pop_front();
        ++running_;
        lock.unlock();
        try {
            call.run();
        } catch (...) {
        }
        lock.lock();
        --running_;
        lock.unlock();
        if (call.then) call.then();
        call = {};  // what it holds dies outside of the lock
        lock.lock();
    }
}

BlockingPool::Load BlockingPool::load() {
    const std::lock_guard lock(mutex_);
    return {running_, calls_.size()};
}

void BlockingPool::join() {
    {
        const std::lock_guard lock(mutex_);
        joined_ = true;
    }
    changed_.notify_all();
    for (auto& thread : threads_) {
        if (thread.joinable()) thread.join();
    }
}

}  // namespace cordgate::proxy
