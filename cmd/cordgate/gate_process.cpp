#include "cmd/cordgate/gate_process.hpp"

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <thread>

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

/// What a running daemon can take up without losing anybody: certificates.
void reload(proxy::Server& server, const config::Tls& files) {
    if (!files.enabled()) {
        return proxy::log_warn("reload",
                               "only certificates can be read again, and none is "
                               "configured: for the rest, restart");
    }
    try {
        server.reload_certificates();
        proxy::log_info("reload", "new connections get the certificate that is in " +
                                      files.cert_file + " now; other settings need a restart");
    } catch (const std::exception& problem) {
        proxy::log_error("reload", std::string(problem.what()) + "; the old certificate stays");
    }
}

void serve_until_asked(const OpenedStore& store, proxy::Server& server,
                       const config::Settings& settings) {
    constexpr auto purge_every = 60s;
    EventsWatch watch(*store.events);
    auto next_purge = std::chrono::steady_clock::now() + purge_every;
    bool more = false;
    for (;;) {
        const int number = wait_for_signal(more ? SessionRepository::purge_pause : 1000ms);
        if (number == SIGTERM || number == SIGINT) return;
        if (number == SIGHUP) reload(server, settings.server.tls);
        watch.look();
        server.upkeep();
        if (std::chrono::steady_clock::now() < next_purge) continue;
        // Batch by batch, so that requests get their turn and signals are heard.
        more = purge(*store.sessions);
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

void drain(proxy::Server& server, config::Duration limit) {
    proxy::log_info("drain", "finishing what is under way; a second signal stops at once");
    server.drain();
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!server.drained()) {
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

int run_gate(const config::Settings& settings, const std::function<void(const Listening&)>& ready) {
    GateHouse house(settings);
    const auto& store = house.store;
    auto& server = house.server;
    proxy::log_info("store", store.description);
    for (const auto& warning : store.warnings) proxy::log_warn("store", warning);
    server.start();
    for (const auto& address : server.addresses()) proxy::log_info("listening", address);
    proxy::log_info("listening", server.internal_address() + " (internal)");
    ready({server.addresses(), server.internal_address()});

    serve_until_asked(store, server, settings);
    drain(server, settings.server.timeouts.drain);
    server.stop();
    proxy::log_info("stopped", "all connections are closed");
    return 0;
}

}  // namespace cordgate
