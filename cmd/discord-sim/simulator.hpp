#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/discord-sim/demo_world.hpp"
#include "cmd/discord-sim/service.hpp"
#include "cmd/discord-sim/world.hpp"
#include "core/clock.hpp"

namespace cordgate::sim {

/// A Discord for one application, on a port of this machine: consent page, OAuth2,
/// REST API, CDN, and a control API for everything that can be changed.
///
/// Every member is safe from any thread. It follows Discord's published
/// documentation; what it invents is named in docs/simulator.md.
class Simulator {
public:
    struct Options {
        std::string host = "127.0.0.1";
        int port = 0;  ///< 0: the system chooses
        std::string client_id = demo::client_id;
        std::string client_secret = demo::client_secret;
        std::vector<std::string> redirect_uris{};
        std::string application_name = "Cordgate";
        std::string bot_token{};
        bool is_public = false;  ///< the client may leave out its secret
        bool rate_limits = true;
        Now now = Clock::now;
        Secret event_secret{demo::event_secret};        ///< Ed25519, 32 bytes: signs webhook events
        std::function<void(const std::string&)> log{};  ///< told what a person should know
        World world{};
    };

    explicit Simulator(Options options);
    /// Stops.
    ~Simulator();
    Simulator(const Simulator&) = delete;
    Simulator& operator=(const Simulator&) = delete;

    /// Listens, and returns the port. Throws std::runtime_error when it cannot.
    int start();
    /// Ends every connection; nothing happens when it does not run.
    void stop();

    int port() const;
    std::string base_url() const;       ///< "http://127.0.0.1:PORT"
    std::string api_url() const;        ///< for `discord.api_url`
    std::string authorize_url() const;  ///< for `discord.authorize_url`
    std::string cdn_url() const;        ///< for `discord.cdn_url`

    World& world();
    /// Nobody is asked any more: each authorization redirects back at once.
    void approve_as(Snowflake user);
    void deny_all();
    void ask_people();
    /// How often a route was called: "GET /users/@me" or "/oauth2/token".
    int count(std::string_view route) const;
    void add_fault(Fault fault);
    /// By name ("cloudflare_1015"); throws std::invalid_argument for an unknown one.
    void add_fault(std::string_view route, std::string_view kind, int times = 1);
    void clear_faults();
    /// The simulator's clock runs ahead by this much more.
    void advance(std::chrono::milliseconds by);
    /// The user removes the application: every token and grant is gone, and
    /// an event tells of it.
    void deauthorize(Snowflake user);
    /// Public half of the key that signs webhook events, in hex.
    std::string verify_key() const;
    /// Webhook events go to this URL from now on; an empty one ends them.
    void subscribe(std::string url);
    /// One event about `user`, whatever is subscribed to.
    void send_event(const std::string& type, Snowflake user, Signing signing = Signing::good);
    /// Waits until no event is due or on its way; all that ever left or waits.
    std::vector<EventPost> settled_events();
    /// The user's access tokens expire now; refresh tokens stay good.
    void expire_tokens(Snowflake user);
    /// Refresh tokens that came again after they were spent.
    Grants::Reuses reused_tokens() const;
    /// Changes how strict or odd this Discord is.
    void change_settings(const std::function<void(Settings&)>& edit);
    void add_redirect_uri(std::string uri);
    /// Forgets tokens, faults, counters, settings and clock; the world stays.
    void reset();

private:
    class Server;
    std::unique_ptr<Server> server_;
};

}  // namespace cordgate::sim
