#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "store/redis.hpp"
#include "store/redis_store.hpp"

namespace cordgate {
namespace {

using namespace std::chrono_literals;
using redis::SteadyClock;

constexpr std::chrono::milliseconds ask_every = 200ms;
/// From when an answer counts as overdue, after its question was sent.
constexpr std::chrono::milliseconds overdue = 500ms;
constexpr std::chrono::milliseconds give_up = 2s;

std::int64_t to_number(SteadyClock::time_point time) {
    return time.time_since_epoch().count();
}

}  // namespace

class RedisEvents::Listener {
public:
    Listener(RedisUrl url, RedisEvents& events)
        : url_(std::move(url)),
          channel_(RedisStore::channel(url_)),
          events_(events),
          tls_(redis::make_tls(url_)),
          thread_([this] { listen(); }) {}

    ~Listener() {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        stop_.notify_all();
        thread_.join();
    }

    std::optional<SteadyTime> heard_since(SteadyTime now) const {
        const auto since = since_.load(std::memory_order_acquire);
        if (since == 0 || to_number(now) > good_until_.load(std::memory_order_relaxed)) {
            return std::nullopt;
        }
        return SteadyTime(SteadyTime::duration(since));
    }

private:
    void listen() {
        unsigned failures = 0;
        while (!is_stopping()) {
            auto connection = redis::Connection::open(url_, tls_.get(), timing_);
            if (connection && subscribe(*connection)) {
                failures = 0;
                follow(*connection);
                since_.store(0, std::memory_order_release);
            }
            wait(redis::pause_after(++failures, timing_));
        }
    }

    // True once Redis has confirmed: from then on we hear everything.
    bool subscribe(redis::Connection& connection) {
        const auto deadline = SteadyClock::now() + timing_.command;
        const auto reply = connection.call({"SUBSCRIBE", channel_}, deadline);
        if (!reply || reply->view().size() != 3) return false;
        const auto now = SteadyClock::now();
        good_until_.store(to_number(now + overdue), std::memory_order_relaxed);
        since_.store(to_number(now), std::memory_order_release);
        return true;
    }

    // Returns when the connection is no longer any good.
    void follow(redis::Connection& connection) {
        auto asked = SteadyClock::now();
        bool answered = true;
        while (!is_stopping()) {
            const auto now = SteadyClock::now();
            if (answered && now >= asked + ask_every) {
                if (!connection.send({"PING"}, now + timing_.command)) return;
                asked = now;
                answered = false;
            }
            if (!answered && now >= asked + give_up) return;
            const auto message = connection.receive(answered ? asked + ask_every : now + ask_every);
            if (!message) return;
            if (!*message) continue;
            const auto view = (*message)->view();
            if (view.size() == 3 && view[0].text() == "message") {
                events_.publish_ended(std::string(view[2].text()));
            } else if (view.size() == 2 && view[0].text() == "pong") {
                answered = true;
                // All that was published before the question was sent is behind us.
                good_until_.store(to_number(asked + overdue), std::memory_order_relaxed);
            }
        }
    }

    bool is_stopping() {
        const std::lock_guard lock(mutex_);
        return stopping_;
    }
    void wait(std::chrono::milliseconds time) {
        std::unique_lock lock(mutex_);
        stop_.wait_for(lock, time, [this] { return stopping_; });
    }

    const RedisUrl url_;
    const std::string channel_;
    const redis::Timing timing_{};
    RedisEvents& events_;
    const std::unique_ptr<redis::TlsContext> tls_;
    std::atomic<SteadyTime::rep> since_{0};  ///< 0: not connected
    std::atomic<SteadyTime::rep> good_until_{0};
    std::mutex mutex_;  // guards stopping_
    std::condition_variable stop_;
    bool stopping_ = false;
    std::thread thread_;  // last: starts when all else is there
};

RedisEvents::RedisEvents(const RedisUrl& url) : listener_(std::make_unique<Listener>(url, *this)) {}

RedisEvents::~RedisEvents() = default;

std::optional<SessionEvents::SteadyTime> RedisEvents::heard_since(SteadyTime now) const {
    return listener_->heard_since(now);
}

}  // namespace cordgate
