#include "proxy/io/event_loop.hpp"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace cordgate::proxy {

class EventLoop::Here {
public:
    explicit Here(EventLoop& loop)
        : loop_(std::exchange(current_, &loop)),
          frames_(std::exchange(FrameCache::current, &loop.frames_)),
          blocks_(std::exchange(BlockCache::current, &loop.blocks_)) {}
    Here(const Here&) = delete;
    Here& operator=(const Here&) = delete;
    ~Here() {
        current_ = loop_;
        FrameCache::current = frames_;
        BlockCache::current = blocks_;
    }

private:
    EventLoop* loop_;
    FrameCache* frames_;
    BlockCache* blocks_;
};

struct EventLoop::Root {
    using promise_type = RootPromise;
};

struct EventLoop::RootPromise {
    RootPromise(EventLoop& owner, Task<void>&) : loop(owner), next(owner.first_root_) {
        if (next) next->previous = this;
        loop.first_root_ = this;
    }
    RootPromise(const RootPromise&) = delete;
    RootPromise& operator=(const RootPromise&) = delete;
    ~RootPromise() {
        if (next) next->previous = previous;
        (previous ? previous->next : loop.first_root_) = next;
    }

    static void* operator new(std::size_t size) { return FrameCache::allocate(size); }
    static void operator delete(void* memory, std::size_t size) noexcept {
        FrameCache::release(memory, size);
    }

    Root get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }

    EventLoop& loop;
    RootPromise* next;
    RootPromise* previous = nullptr;
};

thread_local constinit EventLoop* EventLoop::current_ = nullptr;

EventLoop::Mailbox::Mailbox(EventLoop& loop)
    : loop_(loop), event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (!event_.is_open() || !loop.add(event_.get(), *this, EPOLLIN)) {
        throw std::system_error(errno, std::generic_category(), "cannot make an event descriptor");
    }
}

void EventLoop::Mailbox::post(std::function<void()> act) {
    bool first = false;
    {
        const std::lock_guard lock(mutex_);
        first = letters_.empty();
        letters_.push_back(std::move(act));
    }
    if (!first) return;  // somebody has rung already
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto rung = ::write(event_.get(), &one, sizeof one);
}

void EventLoop::Mailbox::on_events(std::uint32_t) {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto heard = ::read(event_.get(), &count, sizeof count);
    std::vector<std::function<void()>> letters;
    {
        const std::lock_guard lock(mutex_);
        letters.swap(letters_);
    }
    for (const auto& act : letters) {
        act();
        loop_.resume_ready();
    }
}

EventLoop::EventLoop()
    : poll_(::epoll_create1(EPOLL_CLOEXEC)),
      scratch_(scratch_size),
      record_space_(record_size),
      mailbox_(*this) {}

void EventLoop::end_tasks() {
    const Here here(*this);
    ready_.clear();
    while (first_root_) std::coroutine_handle<RootPromise>::from_promise(*first_root_).destroy();
    ready_.clear();
}

void EventLoop::run() {
    while (!stopped_) run_once(Deadlines::tick);
}

void EventLoop::run_once(std::chrono::milliseconds patience) {
    const Here here(*this);
    resume_ready();
    if (!at_next_round_end_.empty()) patience = std::chrono::milliseconds(0);
    const auto wait = std::clamp(deadlines_.until_tick(), std::chrono::milliseconds(0), patience);
    const int count =
        ::epoll_wait(poll_.get(), events_.data(), max_events, static_cast<int>(wait.count()));
    ++passes_;
    std::ranges::copy(at_next_round_end_, std::back_inserter(at_round_end_));
    at_next_round_end_.clear();
    deadlines_.read_clock();
    pending_ = std::span(events_.data(), static_cast<std::size_t>(std::max(count, 0)));
    while (!pending_.empty()) {
        const auto event = pending_.front();
        pending_ = pending_.subspan(1);
        if (!event.data.ptr) continue;  // died after the poll
        static_cast<Watcher*>(event.data.ptr)->on_events(event.events);
        resume_ready();
    }
    end_round();
    deadlines_.sweep_if_due();
    resume_ready();
}

void EventLoop::end_round() {
    for (auto* const watcher : at_round_end_) {
        if (watcher) watcher->on_round_end();
    }
    at_round_end_.clear();
    resume_ready();
}

void EventLoop::stop() {
    post([this] { stopped_ = true; });
}

void EventLoop::post(std::function<void()> act) {
    mailbox_.post(std::move(act));
}

EventLoop::Root EventLoop::run_root(EventLoop&, Task<void> task) {
    co_await task;
}

void EventLoop::spawn(Task<void> task) {
    const Here here(*this);
    run_root(*this, std::move(task));
}

void EventLoop::resume_ready() {
    while (!ready_.empty()) {
        // Resuming makes others ready: those have their turn in the next round.
        std::swap(ready_, resuming_);
        for (const auto waiting : resuming_) waiting.resume();
        resuming_.clear();
    }
}

bool EventLoop::add(int fd, Watcher& watcher, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &watcher;
    return ::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

bool EventLoop::watch(int fd, Watcher& watcher) {
    return add(fd, watcher, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

bool EventLoop::watch_listener(int fd, Watcher& watcher) {
    // Of several loops that share a unix socket, one is woken.
    return add(fd, watcher, EPOLLIN | EPOLLEXCLUSIVE);
}

void EventLoop::unwatch(int fd) {
    ::epoll_ctl(poll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

bool EventLoop::has_news_for(const Watcher& watcher) const {
    return std::ranges::any_of(
        pending_, [&](const epoll_event& event) { return event.data.ptr == &watcher; });
}

void EventLoop::forget(Watcher& watcher) {
    std::ranges::replace(at_round_end_, &watcher, nullptr);
    std::ranges::replace(at_next_round_end_, &watcher, nullptr);
    for (auto& event : pending_) {
        if (event.data.ptr == &watcher) event.data.ptr = nullptr;
    }
}

}  // namespace cordgate::proxy
