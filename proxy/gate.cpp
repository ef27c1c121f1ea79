#include "proxy/gate.hpp"

#include <algorithm>

#include "proxy/freshness.hpp"

namespace cordgate::proxy {
namespace {

using namespace std::chrono_literals;

/// Who has waited so long for a thread gets 503: calls to Discord take up to ten seconds
/// each when it is silent, and everybody behind them would wait for all of them.
constexpr auto patience = 5s;

std::vector<std::string> inject_names(const config::Headers& headers) {
    std::vector<std::string> names;
    for (const auto& [name, value] : headers.inject) names.push_back(name);
    return names;
}

std::vector<std::string> cidr_texts(const std::vector<config::Cidr>& ranges) {
    std::vector<std::string> texts;
    for (const auto& range : ranges) texts.push_back(range.text);
    return texts;
}

IdentityHeaderOptions header_options(const config::Settings& settings) {
    IdentityHeaderOptions options;
    options.user_json = settings.headers.user_json;
    options.user_json_bytes = settings.headers.user_json_bytes;
    options.email = settings.headers.email;
    options.access_token = settings.headers.access_token;
    options.remote_user = settings.headers.remote_user;
    options.x_forwarded_user = settings.headers.x_forwarded_user;
    options.x_auth_request = settings.headers.x_auth_request;
    options.inject = settings.headers.inject;
    options.cdn_url = settings.discord.cdn_url;
    options.scopes = settings.login.standard.scopes;
    for (const auto& [name, profile] : settings.login.profiles) {
        for (const auto& scope : profile.scopes) options.scopes.push_back(scope);
    }
    options.guilds_first = settings.rules.named_guilds();
    return options;
}

FreshnessSettings freshness_settings(const config::Settings& settings,
                                     const std::vector<Snowflake>& member_guilds) {
    const auto& identity = settings.identity;
    return {identity.user_max_age, identity.guilds_max_age, identity.max_stale, member_guilds,
            !settings.discord.bot_token.empty()};
}

discord::CacheLimits document_limits(const config::Settings& settings) {
    discord::CacheLimits limits;
    limits.entries = settings.cache.users;
    limits.age = std::max({limits.age, settings.identity.user_max_age,
                           settings.identity.guilds_max_age, settings.identity.max_stale});
    return limits;
}

}  // namespace

Gate::Gate(const Parts& parts)
    : settings(parts.settings),
      sessions(parts.sessions),
      discord(parts.discord),
      login(parts.login),
      now(parts.now),
      version(parts.version),
      headers(inject_names(settings.headers)),
      identity_headers(header_options(settings)),
      trusted(cidr_texts(settings.server.trusted_proxies)),
      routes(settings.paths, settings.upstreams, settings.rules),
      cache(settings.cache.sessions),
      logins(settings.server.limits.logins_per_minute),
      upstream_tls(make_upstream_tls(settings.upstreams)),
      head_limits{settings.server.limits.header_bytes, settings.server.limits.headers,
                  settings.server.limits.target_bytes},
      session_cookie(settings.session.cookie_name),
      login_cookie(session_cookie + "-login"),
      logged_out_cookie(session_cookie + "-out"),
      own_cookies{session_cookie, login_cookie, logged_out_cookie},
      store_calls(4, 4096, patience),
      store_changes(4, 4096, patience),
      name_calls(2, 4096, patience),
      discord_calls(16, 1024, patience),
      keeper_calls(16, 4096),
      uses(sessions),
      keeper({freshness_settings(settings, login.settings().member_guilds), discord, sessions, now,
              [this](std::function<void()> call) { return keeper_calls.run(std::move(call)); },
              [this](const Confirmation& news) { take_up_confirmation(*this, news); },
              document_limits(settings)}),
      loaded_at(now()),
      events(parts.events) {
    if (!events) return;
    ended_sessions = events->subscribe([this](const std::string& digest) {
        ++login_counts.sessions_ended;
        // Nothing of somebody who left stays behind; who is still here is asked for anew.
        if (const auto live = cache.find(digest, SteadyClock::time_point::min())) {
            keeper.forget(live->session.identity.user.id);
        }
        cache.erase(digest);
    });
}

CookieAttributes cookie_attributes(const Gate& gate, const std::string& name) {
    const auto& session = gate.settings.session;
    return {name, session.cookie_domain, "/", session.cookie_same_site,
            gate.settings.server.public_url.is_secure()};
}

}  // namespace cordgate::proxy
