#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "core/cookie.hpp"
#include "core/discord/api.hpp"
#include "core/identity_headers.hpp"
#include "core/login/flow.hpp"
#include "core/session_events.hpp"
#include "core/session_keeper.hpp"
#include "core/session_repository.hpp"
#include "proxy/client_address.hpp"
#include "proxy/counters.hpp"
#include "proxy/header_rules.hpp"
#include "proxy/io/offload.hpp"
#include "proxy/login_limiter.hpp"
#include "proxy/routes.hpp"
#include "proxy/session_cache.hpp"
#include "proxy/session_moves.hpp"
#include "proxy/upstream_pool.hpp"
#include "proxy/use_notes.hpp"
#include "proxy/visitor_share.hpp"

namespace cordgate::proxy {

/// What the gate is made of: given by cmd/, must outlive the server.
struct Parts {
    const config::Settings& settings;
    SessionRepository& sessions;
    discord::Api& discord;
    LoginFlow& login;
    Now now;
    SessionEvents* events = nullptr;  ///< null: nobody else ends sessions
    std::string version = {};         ///< as in "1.2.3", for metrics
};

/// Everything that the workers share. Built once; what is not atomic or guarded
/// by its own lock is immutable.
struct Gate {
    explicit Gate(const Parts& parts);

    const config::Settings& settings;
    SessionRepository& sessions;
    discord::Api& discord;
    LoginFlow& login;
    Now now;
    const std::string version;

    HeaderPolicy headers;
    IdentityHeaderOptions identity_headers;
    TrustedProxies trusted;
    Routes routes;
    SessionCache cache;
    SessionMoves moves;
    VisitorShare documents;
    LoginLimiter logins;
    UpstreamTlsContexts upstream_tls;
    http::HeadLimits head_limits;

    /// Names of our cookies: what upstreams neither see nor set.
    std::string session_cookie;
    std::string login_cookie;
    std::string logged_out_cookie;
    std::vector<std::string> own_cookies;

    /// Look-ups in the store; changes of it, each of which may wait for another program's
    /// lock; names of upstreams; calls to Discord that a visitor waits for; and sessions that
    /// are looked at again. None makes the others wait.
    BlockingPool store_calls;
    BlockingPool store_changes;
    BlockingPool name_calls;
    BlockingPool discord_calls;
    BlockingPool keeper_calls;
    UseNotes uses;
    SessionKeeper keeper;  ///< brings what it learns to the cache; what applications ask Discord

    std::atomic<bool> draining{false};
    std::atomic<std::size_t> connections{0};
    std::size_t most_connections = 0;  ///< that descriptors suffice for; set before workers run
    std::atomic<std::size_t> event_bytes{0};  ///< of webhook events that are being read
    ResponseCounts requests;
    ResponseCounts internal_requests;
    RefusalCounts refusals;                                    ///< among the requests
    std::atomic<std::uint64_t> refused_connections{0};         ///< server.limits.connections
    std::atomic<std::uint64_t> refused_client_connections{0};  ///< ... connections_per_client
    std::atomic<bool> reload_failed{false};  ///< settings that were to replace ours are wrong
    const TimePoint loaded_at;
    LoginCounts login_counts;

    SessionEvents* const events;
    SessionEvents::Subscription ended_sessions;  ///< drops them from the cache
};

/// How a cookie of ours called `name` is set and cleared.
CookieAttributes cookie_attributes(const Gate& gate, const std::string& name);

}  // namespace cordgate::proxy
