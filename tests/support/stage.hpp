#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cmd/discord-sim/simulator.hpp"
#include "tests/support/browser.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/gate_here.hpp"
#include "tests/support/upstream.hpp"

namespace cordgate::test {

/// What a stage's configuration says besides what it needs; each is the inside of
/// a section, as in "scopes: [identify]".
struct Script {
    std::string rules =
        "[{path: /public/**, access: public}, {path: /feed, access: optional}, "
        "{path: /staff/**, require: {guild: '401000000000000001', role: "
        "['501000000000000001']}}, {path: /**, access: login}]";
    std::string public_url = {};  ///< empty: http on the reserved port
    std::string server = {};
    std::string limits = {};
    std::string paths = {};
    std::string login = {};
    std::string logout = {};
    std::string session = {};
    std::string headers = {};
    std::string identity = {};
    std::string store = "sqlite:sessions.db";
    std::string secret = {};     ///< empty: the right one
    std::string upstreams = {};  ///< empty: the application
    std::string discord = {};    ///< with bot_token_setting for bot features
    std::string internal = {};
    std::string log = "level: debug";
    std::string rest = {};        ///< further sections
    std::size_t descriptors = 0;  ///< that the gate may have open; 0: as many as we
    /// Set: Discord goes by it, and so does the gate, which is in this process.
    const TestClock* clock = nullptr;
    /// With `clock`: the store, in place of what `store` names.
    std::shared_ptr<OpenedStore> opened = nullptr;
};

/// The inside of `discord:` that lets the gate be the simulated bot.
inline constexpr const char* bot_token = "bot-token-of-the-simulator-0001";
inline const std::string bot_token_setting = "bot_token: '" + std::string(bot_token) + "'";

/// Discord, an application, and a gate between them.
class Stage {
public:
    explicit Stage(Script script = {});
    ~Stage();
    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;

    sim::Simulator discord;
    Upstream app;
    TemporaryFolder folder;

    int port() const { return port_.number(); }
    std::string home() const;
    std::string authority() const { return home().substr(home().find("://") + 3); }
    Daemon& gate() { return *gate_; }
    GateHere& gate_here() { return *gate_here_; }
    /// SIGTERM; the exit code.
    int stop_gate();
    /// The same configuration on the same port with the same store.
    void start_gate();
    /// A second gate with the same store and public URL, on a port of its own.
    std::unique_ptr<Daemon> start_twin(const ReservedPort& port);
    std::unique_ptr<GateHere> start_twin_here(const ReservedPort& port);

    Browser browser();
    /// A browser in which `user` is signed in.
    Browser browser_of(Snowflake user, const std::string& login = "/login");
    /// "GET PATH HTTP/1.1", a Host and `fields` ("Name: value\r\n" lines).
    std::string request(std::string_view start, std::string_view fields = "") const;
    /// One raw request to the gate.
    Message ask(std::string_view bytes, std::string_view method = "GET") {
        return test::ask(port(), bytes, method);
    }
    std::string yaml(int port) const;
    /// Every token that Discord has given out and that still lives.
    std::vector<std::string> tokens() const;

private:
    Script script_;
    ReservedPort port_;
    std::unique_ptr<Daemon> gate_;  ///< one of the two
    std::unique_ptr<GateHere> gate_here_;
};

}  // namespace cordgate::test
