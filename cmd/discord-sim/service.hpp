#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cmd/discord-sim/authorize_request.hpp"
#include "cmd/discord-sim/device.hpp"
#include "cmd/discord-sim/faults.hpp"
#include "cmd/discord-sim/grants.hpp"
#include "cmd/discord-sim/message.hpp"
#include "cmd/discord-sim/rate_limits.hpp"
#include "cmd/discord-sim/rsa_key.hpp"
#include "cmd/discord-sim/webhook_events.hpp"
#include "cmd/discord-sim/world.hpp"
#include "core/crypto.hpp"
#include "core/url.hpp"

namespace cordgate::sim {

/// The one application that is registered.
struct Application {
    std::string client_id{};
    std::string client_secret{};
    std::string name = "Cordgate";
    std::string bot_token{};  ///< empty: the application has no bot
    std::vector<std::string> redirect_uris{};
    bool is_public = false;         ///< may leave out its secret (PUBLIC_OAUTH2_CLIENT)
    Snowflake owner{};              ///< nobody: the first user of the world
    bool is_team = false;           ///< owned by a team
    bool has_member_intent = true;  ///< GUILD_MEMBERS, for lists of members
    Ed25519Key event_key{};         ///< signs webhook events; its public half is the verify_key
};

/// How strict and how odd this Discord is.
struct Settings {
    bool rate_limits = true;
    bool limit_headers = true;  ///< false: limited all the same, but nobody says so beforehand
    bool check_user_agent = true;
    bool require_version = true;  ///< refuse paths without /v9 or /v10, but for /oauth2/token
    bool edit_scopes = false;     ///< the consent page lets people take scopes away
    bool pkce_with_role_connections = true;  ///< false: refused together, as people reported
    TokenSettings tokens{};
    std::map<std::string, Limit> limits{};  ///< by route; starts with default_limits()
};

std::map<std::string, Limit> default_limits();

/// Who answers the consent page.
struct AutoConsent {
    enum class Mode { page, approve, deny } mode = Mode::page;
    Snowflake user{};
    std::optional<Snowflake> guild{};  ///< for `bot`; else the one asked for, or the first
    std::optional<Scopes> scopes{};    ///< only these of what was asked for
};

/// What the person on the consent page decided.
struct Choice {
    Snowflake user{};
    Scopes scopes{};
    std::optional<Snowflake> guild{};
};

/// What `handle` does with a path, and what it needs for that.
struct Route;

/// Discord as a function from call to answer: no sockets, no threads of its own.
///
/// `handle` may be called from any thread; every other member needs `lock()`.
/// `world` is safe by itself and must outlive the service.
class Service {
public:
    Service(Application application, World& world, Now now);

    Answer handle(const Call& call);
    [[nodiscard]] std::unique_lock<std::mutex> lock() { return std::unique_lock(mutex_); }

    TimePoint now() const { return now_() + skew; }
    std::chrono::milliseconds skew{0};
    Application application;
    Settings settings;
    AutoConsent consent;
    Grants grants;
    Faults faults;
    RateLimits buckets;
    InvalidRequests invalid;
    std::map<std::string, int, std::less<>> counters;  ///< by "METHOD route"
    Devices devices;
    WebhookEvents events;
    std::condition_variable events_changed;             ///< goes with lock()
    std::vector<RsaKey> id_token_keys;                  ///< the first signs
    std::map<Snowflake, std::string> role_connections;  ///< JSON, by user
    std::string role_records = "[]";                    ///< JSON
    std::string base_url = "http://127.0.0.1";          ///< what links and ID tokens name
    /// Told what a person should know; called under the lock.
    std::function<void(const std::string&)> log = [](const std::string&) {};

    /// "GET /users/@me": every route of the REST API.
    static std::vector<std::string> api_routes();
    /// The same for all routes, pages and the CDN included.
    static std::vector<std::string> route_names();
    /// Whether `wanted`, as in Fault::route, fits any of them.
    static bool has_route(std::string_view wanted);
    /// How often a route was called: "GET /users/@me", or without the method.
    int count(std::string_view route) const;
    /// The user removes the application: every grant ends, and an event tells of it.
    void deauthorize(Snowflake user);
    /// The body of a webhook event with the time of now.
    std::string event_body(const std::string& type, const nlohmann::json& data) const;
    /// {"user": ...} as events show it.
    nlohmann::json event_data(Snowflake user) const;
    /// One event about `user`, whatever is subscribed to.
    void queue_event(const std::string& type, Snowflake user, Signing signing);
    /// A new key signs ID tokens; the old ones stay in the JWKS unless forgotten.
    void rotate_keys(bool forget);
    /// Whose tokens client credentials give.
    Account owner() const;
    /// Back to the beginning, but for the world.
    void reset();

private:
    friend struct Route;
    using Parameters = std::vector<std::string>;
    /// Who calls: at most one of the two is set.
    struct Caller {
        const Grant* grant = nullptr;
        bool bot = false;
    };

    Answer serve(const Call& call);
    void happen(Fault::Event event, const Caller& caller, std::optional<Snowflake> guild);
    Reply dispatch(const Call& call, const Route& route, const Parameters& parameters);
    Caller identify(const Call& call) const;
    std::optional<Reply> refuse(const Call& call, const Route& route, const Caller& caller,
                                const Parameters& parameters, Reply& headers);

    // authorize.cpp
    Reply show_consent(const Call& call, const Parameters&, const Caller&);
    Reply take_consent(const Call& call, const Parameters&, const Caller&);
    Reply to_authorize_page(const Call& call, const Parameters&, const Caller&);
    std::variant<AuthorizeRequest, Reply> read_request(const Call& call) const;
    Reply approve(const AuthorizeRequest& request, Choice choice);
    std::optional<Reply> refuse_guild(const AuthorizeRequest& request, const Choice& choice) const;
    bool may_add_to(Snowflake guild, Snowflake user) const;
    Choice automatic_choice(const AuthorizeRequest& request) const;
    // token.cpp
    Reply token(const Call& call, const Parameters&, const Caller&);
    Reply revoke(const Call& call, const Parameters&, const Caller&);
    std::optional<Reply> refuse_client(const Call& call, const Query& form) const;
    Reply code_grant(const Query& form, bool has_secret);
    Reply refresh_grant(const Query& form);
    Reply device_grant(const Query& form);
    Reply credentials_grant(const Query& form);
    Reply grant_reply(const Grant& grant);
    // device.cpp
    Reply begin_device(const Call& call, const Parameters&, const Caller&);
    Reply show_activation(const Call& call, const Parameters&, const Caller&);
    Reply take_activation(const Call& call, const Parameters&, const Caller&);
    // oidc.cpp
    Reply discovery(const Call& call, const Parameters&, const Caller&);
    Reply keys(const Call& call, const Parameters&, const Caller&);
    Reply userinfo(const Call& call, const Parameters&, const Caller&);
    std::string id_token(const Grant& grant);
    // rest_users.cpp
    Reply authorization(const Call& call, const Parameters&, const Caller&);
    Reply current_user(const Call& call, const Parameters&, const Caller&);
    Reply current_guilds(const Call& call, const Parameters&, const Caller&);
    Reply current_member(const Call& call, const Parameters&, const Caller&);
    Reply connections(const Call& call, const Parameters&, const Caller&);
    Reply any_user(const Call& call, const Parameters&, const Caller&);
    // rest_application.cpp
    Reply own_application(const Call& call, const Parameters&, const Caller&);
    Reply edit_application(const Call& call, const Parameters&, const Caller&);
    // rest_guilds.cpp
    Reply guild(const Call& call, const Parameters&, const Caller&);
    Reply guild_roles(const Call& call, const Parameters&, const Caller&);
    Reply guild_member(const Call& call, const Parameters&, const Caller&);
    Reply guild_members(const Call& call, const Parameters&, const Caller&);
    Reply search_members(const Call& call, const Parameters&, const Caller&);
    // add_member.cpp
    Reply add_member(const Call& call, const Parameters&, const Caller&);
    Reply member_role(const Call& call, const Parameters&, const Caller&);
    // role_connections.cpp
    Reply role_connection(const Call& call, const Parameters&, const Caller&);
    Reply role_metadata(const Call& call, const Parameters&, const Caller&);
    // announce.cpp
    void announce(const std::string& type, const nlohmann::json& data);
    void announce_authorized(Snowflake user, const Scopes& scopes, std::optional<Snowflake> guild);
    // cdn.cpp
    Reply default_avatar(const Call& call, const Parameters&, const Caller&);
    Reply user_avatar(const Call& call, const Parameters&, const Caller&);
    Reply guild_icon(const Call& call, const Parameters&, const Caller&);
    Reply member_avatar(const Call& call, const Parameters&, const Caller&);
    Reply any_picture(const Call& call, const Parameters&, const Caller&);
    // control.cpp
    Reply control(const Call& call);
    // service.cpp
    Reply front_page(const Call& call, const Parameters&, const Caller&);

    std::mutex mutex_;
    World& world_;
    Now now_;

    static const std::vector<Route>& routes();
};

/// The error shape of RFC 6749, 5.2.
Reply oauth_error(int status, const OAuthError& error);
/// Discord's own error shape.
Reply api_error(int status, int code, std::string_view message);
/// The query of a call; an empty one when an escape is broken.
Query query_of(const Call& call);

}  // namespace cordgate::sim
