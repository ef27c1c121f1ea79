#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

// Coroutines of one event loop. A Task starts when it is awaited, runs at once
// as far as it can, and only what really has to wait costs a suspension.

namespace cordgate::proxy {

template <class T>
class Task;

/// Memory of coroutine frames, kept for the next one of the same size: a request
/// makes a dozen. Not thread-safe: each event loop has its own.
class FrameCache {
public:
    FrameCache() = default;
    FrameCache(const FrameCache&) = delete;
    FrameCache& operator=(const FrameCache&) = delete;
    ~FrameCache();

    static void* allocate(std::size_t size);
    static void release(void* memory, std::size_t size) noexcept;

    /// The one of this thread; null: frames come from the heap.
    static thread_local FrameCache* current;

private:
    static constexpr std::size_t step = 64;
    static constexpr std::size_t largest = 4096;
    static constexpr std::size_t max_kept = 128;

    struct Free {
        Free* next;
    };
    struct Shelf {
        Free* first = nullptr;
        std::size_t count = 0;
    };

    Shelf shelves_[largest / step + 1];
};

namespace detail {

struct PromiseBase {
    std::coroutine_handle<> continuation;  ///< who waits for the end
    int* running = nullptr;                ///< of several that are waited for together
    std::exception_ptr thrown;

    static void* operator new(std::size_t size) { return FrameCache::allocate(size); }
    static void operator delete(void* memory, std::size_t size) noexcept {
        FrameCache::release(memory, size);
    }

    std::suspend_always initial_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept { thrown = std::current_exception(); }

    struct Final {
        bool await_ready() const noexcept { return false; }
        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
            const PromiseBase& promise = ended.promise();
            if (promise.running && --*promise.running > 0) return std::noop_coroutine();
            return promise.continuation ? promise.continuation : std::noop_coroutine();
        }
        void await_resume() const noexcept {}
    };
    Final final_suspend() const noexcept { return {}; }
};

template <class T>
struct Promise : PromiseBase {
    std::optional<T> value;

    Task<T> get_return_object();
    template <class U>
    void return_value(U&& returned) {
        value.emplace(std::forward<U>(returned));
    }
    T take() {
        if (thrown) std::rethrow_exception(thrown);
        return std::move(*value);
    }
};

template <>
struct Promise<void> : PromiseBase {
    Task<void> get_return_object();
    void return_void() const noexcept {}
    void take() const {
        if (thrown) std::rethrow_exception(thrown);
    }
};

}  // namespace detail

/// Work that may have to wait. Owns its frame, which dies with it; awaited at
/// most once, on the thread of the loop that resumes it. What it throws comes
/// out of the co_await.
template <class T = void>
class [[nodiscard]] Task {
public:
    using promise_type = detail::Promise<T>;

    Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;
    ~Task() {
        if (frame_) frame_.destroy();
    }

    // Runs inside of await_ready: a task that does not have to wait never
    // suspends its caller, and no loop of such tasks can exhaust the stack.
    bool await_ready() {
        frame_.resume();
        return frame_.done();
    }
    void await_suspend(std::coroutine_handle<> caller) noexcept {
        frame_.promise().continuation = caller;
    }
    T await_resume() { return frame_.promise().take(); }

private:
    friend promise_type;
    friend class Both;

    explicit Task(std::coroutine_handle<promise_type> frame) : frame_(frame) {}

    std::coroutine_handle<promise_type> frame_;
};

template <class T>
Task<T> detail::Promise<T>::get_return_object() {
    return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> detail::Promise<void>::get_return_object() {
    return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

/// Waits for the end of two tasks that run at once.
class Both {
public:
    Both(Task<void>& first, Task<void>& second) : first_(first), second_(second) {}

    bool await_ready() {
        for (auto* task : {&first_, &second_}) {
            task->frame_.promise().running = &running_;
            task->frame_.resume();
        }
        return running_ == 0;
    }
    void await_suspend(std::coroutine_handle<> caller) noexcept {
        for (auto* task : {&first_, &second_}) task->frame_.promise().continuation = caller;
    }
    void await_resume() const {
        first_.frame_.promise().take();
        second_.frame_.promise().take();
    }

private:
    Task<void>& first_;
    Task<void>& second_;
    int running_ = 2;
};

inline Task<void> both(Task<void> first, Task<void> second) {
    Both ends(first, second);
    co_await ends;
}

}  // namespace cordgate::proxy
