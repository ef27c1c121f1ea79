#include "cmd/cordgate/gate_process.hpp"

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <thread>

#include "cmd/cordgate/version.hpp"
#include "core/discord/client.hpp"
#include "core/login/flow.hpp"
#include "proxy/access_log.hpp"
#include "proxy/server.hpp"
#include "store/open.hpp"

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

discord::ClientOptions client_options(const config::Settings& settings) {
    discord::ClientOptions options;
    options.api_url = settings.discord.api_url;
    options.client_id = settings.discord.client_id;
    options.client_secret = settings.discord.client_secret;
    options.bot_token = settings.discord.bot_token;
    options.ca_file = settings.discord.ca_file;
    options.version = version();
    return options;
}

std::vector<Snowflake> member_guilds(const config::Settings& settings) {
    const auto& named = settings.rules.member_guilds();
    std::vector<Snowflake> guilds(named.begin(), named.end());
    for (const auto guild : settings.identity.member_guilds) {
        if (!named.contains(guild)) guilds.push_back(guild);
    }
    return guilds;
}

LoginSettings login_settings(const config::Settings& settings) {
    LoginSettings login;
    login.client_id = settings.discord.client_id;
    login.authorize_url = settings.discord.authorize_url;
    login.redirect_uri = settings.redirect_uri();
    login.return_policy = {
        settings.server.public_url,
        settings.login.allowed_redirect_hosts,
        {settings.paths.login, settings.paths.callback, settings.paths.logout,
                                       settings.paths.prefix}
    };
    login.standard = settings.login.standard;
    login.profiles = settings.login.profiles;
    login.member_guilds = member_guilds(settings);
    login.session_lifetime = settings.session.lifetime;
    for (const auto& join : settings.login.auto_join) {
        discord::JoinOptions options;
        if (!join.nick.empty()) options.nick = join.nick;
        options.roles = join.roles;
        login.auto_join.push_back({join.guild, std::move(options)});
    }
    return login;
}

/// Takes a batch of expired rows out of the store; true when there may be more.
bool purge(SessionRepository& sessions) {
    constexpr std::size_t batch = 500;
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
        const int number = wait_for_signal(more ? 20ms : 1000ms);
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
}

int run_gate(const config::Settings& settings, const std::function<void(const Listening&)>& ready) {
    const auto store =
        open_sessions(settings.session.store, settings.session.keys, settings.session.idle_timeout);
    proxy::log_info("store", store.description);
    for (const auto& warning : store.warnings) proxy::log_warn("store", warning);
    const auto discord = discord::make_client(client_options(settings));
    LoginFlow login(login_settings(settings), *discord, *store.sessions, Clock::now);
    proxy::Server server(
        {settings, *store.sessions, *discord, login, Clock::now, store.events.get()});

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
