#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/discord-sim/faults.hpp"
#include "cmd/discord-sim/grants.hpp"
#include "cmd/discord-sim/message.hpp"
#include "cmd/discord-sim/rate_limits.hpp"
#include "cmd/discord-sim/world.hpp"
#include "core/url.hpp"

namespace cordgate::sim {

/// The one application that is registered.
struct Application {
    std::string client_id{};
    std::string client_secret{};
    std::string name = "Cordgate";
    std::string bot_token{};  ///< empty: the application has no bot
    std::vector<std::string> redirect_uris{};
    bool is_public = false;  ///< may leave out its secret (PUBLIC_OAUTH2_CLIENT)
};

/// How strict and how odd this Discord is.
struct Settings {
    bool rate_limits = true;
    bool check_user_agent = true;
    bool require_version = true;  ///< refuse paths without /v9 or /v10, but for /oauth2/token
    TokenSettings tokens{};
    std::map<std::string, Limit> limits{};  ///< by route; starts with default_limits()
};

std::map<std::string, Limit> default_limits();

/// Who answers the consent page.
struct AutoConsent {
    enum class Mode { page, approve, deny } mode = Mode::page;
    Snowflake user{};
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

    /// How often a route was called: "GET /users/@me", or without the method.
    int count(std::string_view route) const;
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

    Reply dispatch(const Call& call, const Route& route, const Parameters& parameters);
    Caller identify(const Call& call) const;
    std::optional<Reply> refuse(const Call& call, const Route& route, const Caller& caller,
                                const Parameters& parameters, Reply& headers);

    // authorize.cpp
    Reply show_consent(const Call& call, const Parameters&, const Caller&);
    Reply take_consent(const Call& call, const Parameters&, const Caller&);
    Reply to_authorize_page(const Call& call, const Parameters&, const Caller&);
    // token.cpp
    Reply token(const Call& call, const Parameters&, const Caller&);
    Reply revoke(const Call& call, const Parameters&, const Caller&);
    // rest.cpp
    Reply authorization(const Call& call, const Parameters&, const Caller&);
    Reply current_user(const Call& call, const Parameters&, const Caller&);
    Reply current_guilds(const Call& call, const Parameters&, const Caller&);
    Reply current_member(const Call& call, const Parameters&, const Caller&);
    Reply connections(const Call& call, const Parameters&, const Caller&);
    Reply own_application(const Call& call, const Parameters&, const Caller&);
    Reply any_user(const Call& call, const Parameters&, const Caller&);
    Reply guild(const Call& call, const Parameters&, const Caller&);
    Reply guild_roles(const Call& call, const Parameters&, const Caller&);
    Reply guild_member(const Call& call, const Parameters&, const Caller&);
    Reply add_member(const Call& call, const Parameters&, const Caller&);
    Reply member_role(const Call& call, const Parameters&, const Caller&);
    // cdn.cpp
    Reply default_avatar(const Call& call, const Parameters&, const Caller&);
    Reply user_avatar(const Call& call, const Parameters&, const Caller&);
    Reply guild_icon(const Call& call, const Parameters&, const Caller&);
    // control.cpp
    Reply control(const Call& call);
    // service.cpp
    Reply front_page(const Call& call, const Parameters&, const Caller&);

    std::mutex mutex_;
    World& world_;
    Now now_;

    static const std::vector<Route>& routes();
};

/// Discord's own error shape.
Reply api_error(int status, int code, std::string_view message);
/// The query of a call; an empty one when an escape is broken.
Query query_of(const Call& call);

}  // namespace cordgate::sim
