#include "cmd/cordgate/gate_process.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <list>
#include <thread>
#include <utility>

#include "cmd/cordgate/gate_house.hpp"
#include "proxy/access_log.hpp"

namespace cordgate {
namespace {

using namespace std::chrono_literals;

sigset_t steering_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, number);
    return signals;
}

/// The next signal, or 0 when none came in time.
int wait_for_signal(std::chrono::milliseconds time) {
    const auto signals = steering_signals();
    const timespec limit{static_cast<std::time_t>(time.count() / 1000),
                         static_cast<long>(time.count() % 1000) * 1'000'000};
    const int number = sigtimedwait(&signals, nullptr, &limit);
    return number > 0 ? number : 0;
}

/// Takes a batch of expired rows out of the store; true when there may be more.
bool purge(SessionRepository& sessions) {
    constexpr auto batch = SessionRepository::purge_batch;
    const auto purged = sessions.purge(Clock::now(), batch);
    if (!purged) {
        proxy::log_warn("purge", proxy::describe_error(purged.error()));
        return false;
    }
    if (*purged > 0) proxy::log_debug("purge", std::to_string(*purged) + " expired rows deleted");
    return *purged >= batch;
}

/// Says when the news of other replicas begin to be missed, and when they are back.
class EventsWatch {
public:
    explicit EventsWatch(const SessionEvents& events) : events_(events) {}

    void look() {
        const bool hears = events_.heard_since(std::chrono::steady_clock::now()).has_value();
        if (hears == heard_) return;
        heard_ = hears;
        if (hears) return proxy::log_info("store", "the store tells again which sessions end");
        proxy::log_warn("store",
                        "the store does not tell which sessions end; it is asked more often");
    }

private:
    const SessionEvents& events_;
    bool heard_ = true;
};

/// Says, at most once a minute, that visitors bring sessions which no key opens: to them it
/// looks as if they had never logged in.
class KeysWatch {
public:
    explicit KeysWatch(const OpenedStore& store) : store_(store), told_(store.unreadable()) {}

    void look() {
        const auto count = store_.unreadable();
        const auto now = std::chrono::steady_clock::now();
        if (count == told_ || now < next_) return;
        proxy::log_warn("sessions cannot be opened",
                        "times=" + std::to_string(count - told_) +
                            " because they were sealed with another key than those of "
                            "session.keys, or changed in the store");
        told_ = count;
        next_ = now + 60s;
    }

private:
    const OpenedStore& store_;
    std::uint64_t told_;
    std::chrono::steady_clock::time_point next_;
};

/// Settings, and the gate that they make.
struct Generation {
    explicit Generation(const config::Settings& chosen, std::shared_ptr<OpenedStore> store = {})
        : settings(chosen),
          house(settings, Clock::now, std::chrono::steady_clock::now, std::move(store)),
          watch(*house.store.events),
          keys(house.store) {}

    const config::Settings settings;
    GateHouse house;
    EventsWatch watch;
    KeysWatch keys;
    bool drains = false;  ///< asked to come to its end before its tunnels do
    std::atomic<bool> stopped = false;
    std::jthread stopping;  ///< of one that has ended; Discord may hold it up
};

/// Whether a gate of `next` can go on with the store of `before`.
bool shares_store(const config::SessionSettings& before, const config::SessionSettings& next) {
    if (before.store != next.store) return false;
    if (next.store == "memory:") return true;  // all else would be to forget everybody
    return before.idle_timeout == next.idle_timeout &&
           std::ranges::equal(before.keys, next.keys, [](const Secret& one, const Secret& other) {
               return one.equals(other.reveal());
           });
}

/// The gate that serves, and those before it that have something to finish.
class Generations {
public:
    explicit Generations(const config::Settings& settings)
        : current_(std::make_unique<Generation>(settings)) {
        tell_store();
        server().start();
        succession_.pass_to(&server());
    }
    /// Nobody hands anything over any more once the newest stops.
    ~Generations() { stop(); }
    Generations(const Generations&) = delete;
    Generations& operator=(const Generations&) = delete;

    Generation& current() { return *current_; }
    proxy::Server& server() { return current_->house.server; }

    void reload(const LoadAgain& load);
    /// Lets go of those that have ended.
    void tidy();
    void drain();
    bool drained() const;
    void stop();

private:
    void drain_oldest();
    void tell_store() const {
        const auto& store = current_->house.store;
        proxy::log_info("store", store.description);
        for (const auto& warning : store.warnings) proxy::log_warn("store", warning);
    }

    /// More than these would be kept by tunnels alone: the oldest have to end.
    static constexpr std::size_t max_retired = 4;

    proxy::Succession succession_;
    std::unique_ptr<Generation> current_;
    std::list<std::unique_ptr<Generation>> retired_;  ///< the oldest first
};

void Generations::reload(const LoadAgain& load) try {
    const auto settings = load();
    if (!settings) {
        server().note_failed_reload();
        return proxy::log_error("reload", "the old settings stay: see above");
    }
    const bool shares = shares_store(current_->settings.session, settings->session);
    auto next = std::make_unique<Generation>(
        *settings, shares ? current_->house.shared_store : std::shared_ptr<OpenedStore>());
    next->house.server.start(&server());
    proxy::adjust_logging(settings->log);
    std::swap(current_, next);
    if (!shares) tell_store();
    succession_.pass_to(&server());
    next->house.server.retire(server(), succession_);
    retired_.push_back(std::move(next));
    std::string where;
    for (const auto& address : server().addresses()) where += (where.empty() ? "" : ", ") + address;
    proxy::log_info("reload", "settings and certificates are taken up; listening on " + where);
    drain_oldest();
} catch (const std::exception& problem) {
    server().note_failed_reload();
    proxy::log_error("reload", std::string(problem.what()) + "; the old settings stay");
}

void Generations::drain_oldest() {
    auto excess = retired_.size() - std::min(retired_.size(), max_retired);
    for (auto& each : retired_) {
        if (excess-- == 0) return;
        if (!std::exchange(each->drains, true)) each->house.server.drain();
    }
}

void Generations::tidy() {
    std::erase_if(retired_, [](const auto& each) { return each->stopped.load(); });
    for (auto& each : retired_) {
        if (each->stopping.joinable()) continue;
        each->house.server.upkeep();
        if (!each->house.server.has_ended()) continue;
        each->stopping = std::jthread([generation = each.get()] {
            generation->house.server.stop();
            generation->stopped = true;
        });
    }
}

void Generations::drain() {
    server().drain();
    for (auto& each : retired_) {
        if (!each->stopping.joinable()) each->house.server.drain();
    }
}

bool Generations::drained() const {
    return current_->house.server.drained() && std::ranges::all_of(retired_, [](const auto& each) {
               return each->stopping.joinable() || each->house.server.drained();
           });
}

void Generations::stop() {
    succession_.pass_to(nullptr);
    for (auto& each : retired_) {
        if (!each->stopping.joinable()) each->house.server.stop();
    }
    retired_.clear();
    server().stop();
}

void serve_until_asked(Generations& generations, const LoadAgain& load) {
    constexpr auto purge_every = 60s;
    auto next_purge = std::chrono::steady_clock::now() + purge_every;
    bool more = false;
    for (;;) {
        const int number = wait_for_signal(more ? SessionRepository::purge_pause : 1000ms);
        if (number == SIGTERM || number == SIGINT) return;
        if (number == SIGHUP) generations.reload(load);
        generations.tidy();
        generations.current().watch.look();
        generations.current().keys.look();
        generations.server().upkeep();
        if (std::chrono::steady_clock::now() < next_purge) continue;
        // Batch by batch, so that requests get their turn and signals are heard.
        more = purge(*generations.current().house.store.sessions);
        next_purge = std::chrono::steady_clock::now() + (more ? 0s : purge_every);
    }
}

/// A call to Discord that hangs cannot be cut, only left behind: whoever asks
/// twice does not wait for it. What was acknowledged is durable already.
void end_soon() {
    std::thread([] {
        std::this_thread::sleep_for(500ms);
        std::_Exit(0);
    }).detach();
}

void drain(Generations& generations) {
    proxy::log_info("drain", "finishing what is under way; a second signal stops at once");
    generations.drain();
    const auto limit = generations.current().settings.server.timeouts.drain;
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!generations.drained()) {
        if (std::chrono::steady_clock::now() >= end) {
            proxy::log_warn("drain", "time is up; cutting what is left");
            return;
        }
        const int number = wait_for_signal(20ms);
        if (number == SIGTERM || number == SIGINT) {
            proxy::log_warn("drain", "second signal; cutting what is left");
            end_soon();
            return;
        }
    }
}

}  // namespace

void block_signals() {
    const auto signals = steering_signals();
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    // A file that may not grow (ulimit -f) is an error of the write, not our end.
    std::signal(SIGXFSZ, SIG_IGN);
}

int run_gate(const config::Settings& settings, const std::function<void(const Listening&)>& ready,
             const LoadAgain& load) {
    Generations generations(settings);
    const auto& server = generations.server();
    for (const auto& address : server.addresses()) proxy::log_info("listening", address);
    proxy::log_info("listening", server.internal_address() + " (internal)");
    ready({server.addresses(), server.internal_address()});

    serve_until_asked(generations, load);
    drain(generations);
    generations.stop();
    proxy::log_info("stopped", "all connections are closed");
    return 0;
}

}  // namespace cordgate
