#include <CLI/CLI.hpp>
#include <csignal>
#include <fstream>
#include <iostream>
#include <sstream>

#include "cmd/discord-sim/simulator.hpp"
#include "core/hex.hpp"

namespace {

using namespace cordgate;

/// Splits "host:port" and "[v6]:port".
std::pair<std::string, int> split_address(const std::string& listen) {
    const auto colon = listen.rfind(':');
    if (colon == std::string::npos) throw CLI::ValidationError("--listen", "needs HOST:PORT");
    auto host = listen.substr(0, colon);
    if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
    int port = -1;
    std::istringstream(listen.substr(colon + 1)) >> port;
    if (port < 0 || port > 65535) throw CLI::ValidationError("--listen", "needs HOST:PORT");
    return {host, port};
}

sim::World world_from(const std::string& file) {
    if (file.empty()) return sim::demo_world();
    std::ifstream in(file);
    if (!in) throw std::runtime_error("cannot read " + file);
    std::ostringstream text;
    text << in.rdbuf();
    sim::World world;
    sim::load_world(world, text.str());
    return world;
}

}  // namespace

int main(int argc, char** argv) {
    sim::Simulator::Options options;
    std::string listen = "127.0.0.1:4190";
    std::string world;
    std::string approve;
    std::string event_key;
    bool unlimited = false;

    CLI::App app{"Plays Discord's sign-in, API and CDN for tests and for trying things out."};
    app.add_option("--listen", listen, "Where to listen, HOST:PORT; port 0 takes a free one")
        ->capture_default_str();
    app.add_option("--client-id", options.client_id, "Id of the application")
        ->capture_default_str();
    app.add_option("--client-secret", options.client_secret, "Its secret")->capture_default_str();
    app.add_option("--redirect-uri", options.redirect_uris, "Registered redirect_uri; repeatable");
    app.add_option("--name", options.application_name, "Its name on the consent page")
        ->capture_default_str();
    app.add_option("--bot-token", options.bot_token, "Token of its bot; without one it has none");
    app.add_option("--event-key", event_key,
                   "Ed25519 key that signs webhook events, 64 hex digits");
    app.add_flag("--public-client", options.is_public, "The client may leave out its secret");
    app.add_option("--world,--user-file", world, "Users and guilds, JSON; else the demo's");
    app.add_option("--auto-approve", approve, "Approve every sign-in as the user with this id");
    app.add_flag("--no-rate-limits", unlimited, "Answer as fast as asked");
    try {
        app.parse(argc, argv);
        std::tie(options.host, options.port) = split_address(listen);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }

    // Blocked before any thread starts, so that only sigwait sees them.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    try {
        options.world = world_from(world);
        options.rate_limits = !unlimited;
        options.log = [](const std::string& text) {
            std::cerr << "discord-sim: " + text + "\n" << std::flush;
        };
        if (!event_key.empty()) {
            options.event_secret = Secret(hex_decode(event_key).value_or(""));
        }
        sim::Simulator simulator(options);
        if (!approve.empty()) {
            const auto user = Snowflake::parse(approve);
            if (!user) throw std::invalid_argument("--auto-approve needs a user's id");
            simulator.approve_as(*user);
        }
        simulator.start();
        std::cout << "discord-sim listening on " << simulator.base_url() << std::endl;
        int received = 0;
        sigwait(&signals, &received);
        simulator.stop();
        return 0;
    } catch (const std::exception& error) {
        std::cerr << "discord-sim: " << error.what() << std::endl;
        return 1;
    }
}
