#pragma once

#include <sys/epoll.h>

#include <array>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <vector>

#include "proxy/io/buffer.hpp"
#include "proxy/io/deadlines.hpp"
#include "proxy/io/descriptor.hpp"
#include "proxy/io/task.hpp"

namespace cordgate::proxy {

/// Is told what the kernel says about one descriptor.
class Watcher {
public:
    /// `events` as epoll_wait(2) gives them. May destroy any watcher.
    virtual void on_events(std::uint32_t events) = 0;
    /// Once, after `at_round_end`.
    virtual void on_round_end() {}

protected:
    ~Watcher() = default;
};

/// One thread's events, coroutines and deadlines, over epoll(7).
///
/// Descriptors are registered once, edge-triggered, and whoever watches them
/// remembers what is ready: a request costs no system call but its own reads and
/// writes and its share of a poll. Only `post` and `stop` may be called from
/// other threads.
class EventLoop {
public:
    /// Throws std::system_error when the kernel gives no epoll instance.
    EventLoop();
    ~EventLoop() { end_tasks(); }
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;

    /// The loop that runs on this thread; null where none does.
    static EventLoop* current() { return current_; }

    /// Until `stop`.
    void run();
    /// Waits for events, for at most so long, and deals with them.
    void run_once(std::chrono::milliseconds patience);
    void stop();

    /// Calls `act` on the loop's thread.
    void post(std::function<void()> act);
    /// Runs a task that nobody waits for; what it throws ends the process.
    void spawn(Task<void> task);
    /// Resumes a coroutine once what happens now is dealt with.
    void resume_soon(std::coroutine_handle<> waiting) { ready_.push_back(waiting); }

    /// Registers a descriptor until it is closed; edge-triggered, in both
    /// directions. False: errno says why.
    bool watch(int fd, Watcher& watcher);
    /// As long as it is registered, each poll that finds a client says so.
    bool watch_listener(int fd, Watcher& watcher);
    void unwatch(int fd);
    /// Whether the last poll brought something for it that it was not told yet.
    bool has_news_for(const Watcher& watcher) const;
    /// To be called before a watcher dies: an event for it may be under way. Also takes back
    /// `at_round_end` and `at_next_round_end`.
    void forget(Watcher& watcher);

    /// Whether the last poll brought events that nobody was told of yet.
    bool has_more_events() const { return !pending_.empty(); }
    /// Calls `watcher` when all of them have been dealt with.
    void at_round_end(Watcher& watcher) { at_round_end_.push_back(&watcher); }
    /// The same at the end of the next round, after another poll: for who has had its share
    /// of this one.
    void at_next_round_end(Watcher& watcher) { at_next_round_end_.push_back(&watcher); }

    /// How often the kernel was asked: what arrived before the last time is known.
    std::uint64_t passes() const { return passes_; }
    Deadlines& deadlines() { return deadlines_; }
    /// When the events that are dealt with now were found.
    SteadyClock::time_point now() const { return deadlines_.now(); }

    /// Memory to read into that nobody keeps: void after the next suspension.
    std::span<char> scratch() { return scratch_; }
    /// The same to put together what is to be written, one TLS record (RFC 8446, 5.1).
    std::span<char> record_space() { return record_space_; }

    /// Destroys what was spawned and has not ended, while what it refers to is there.
    void end_tasks();

private:
    /// Calls what was posted, when somebody posts.
    class Mailbox final : public Watcher {
    public:
        explicit Mailbox(EventLoop& loop);
        void on_events(std::uint32_t events) override;
        void post(std::function<void()> act);

    private:
        EventLoop& loop_;
        Descriptor event_;
        std::mutex mutex_;
        std::vector<std::function<void()>> letters_;
    };

    /// A spawned task, in a list so that the loop can end it.
    struct Root;
    struct RootPromise;

    static Root run_root(EventLoop& loop, Task<void> task);
    /// Makes this loop, and its caches, the thread's own as long as it lives.
    class Here;

    void end_round();
    void resume_ready();
    bool add(int fd, Watcher& watcher, std::uint32_t events);

    static constexpr int max_events = 256;
    static constexpr std::size_t scratch_size = 64 * 1024;
    static constexpr std::size_t record_size = 16 * 1024;
    static thread_local EventLoop* current_;

    Descriptor poll_;
    FrameCache frames_;
    BlockCache blocks_;
    Deadlines deadlines_;
    std::array<epoll_event, max_events> events_{};
    std::span<epoll_event> pending_;  ///< of the last poll, not dealt with yet
    std::vector<Watcher*> at_round_end_;
    std::vector<Watcher*> at_next_round_end_;
    std::vector<std::coroutine_handle<>> ready_;
    std::vector<std::coroutine_handle<>> resuming_;
    RootPromise* first_root_ = nullptr;
    std::uint64_t passes_ = 0;
    std::vector<char> scratch_;
    std::vector<char> record_space_;
    Mailbox mailbox_;
    bool stopped_ = false;
};

}  // namespace cordgate::proxy
