#include "tests/support/stage.hpp"

#include <httplib.h>

#include <stdexcept>

namespace cordgate::test {
namespace {

sim::Simulator::Options people_of_the_demo(const Script& script) {
    sim::Simulator::Options options;
    options.world = sim::demo_world();
    options.rate_limits = false;
    options.bot_token = bot_token;
    if (const auto* clock = script.clock) options.now = [clock] { return clock->now(); };
    return options;
}

}  // namespace

Stage::Stage(Script script) : discord(people_of_the_demo(script)), script_(std::move(script)) {
    discord.start();
    discord.add_redirect_uri(home() + "/callback");
    LogArchive::instance().keep_secret(
        script_.secret.empty() ? sim::demo::client_secret : script_.secret, "client secret");
    LogArchive::instance().keep_secret(bot_token, "bot token");
    start_gate();
}

Stage::~Stage() {
    for (const auto& token : tokens()) {
        LogArchive::instance().keep_secret(token, "token of Discord");
    }
    gate_.reset();
    gate_here_.reset();
    discord.stop();
}

std::string Stage::home() const {
    return script_.public_url.empty() ? "http://127.0.0.1:" + port_.text() : script_.public_url;
}

std::string Stage::yaml(int port) const {
    const auto more = [](const std::string& text) { return text.empty() ? "" : ", " + text; };
    const auto& s = script_;
    const auto secret = s.secret.empty() ? std::string(sim::demo::client_secret) : s.secret;
    std::string out = "server:\n  {listen: ['127.0.0.1:" + std::to_string(port) +
                      "'], public_url: '" + home() +
                      "', workers: 2, limits: {logins_per_minute: 0" + more(s.limits) + "}" +
                      more(s.server) + "}\n";
    out += "discord:\n  {client_id: '" + std::string(sim::demo::client_id) + "', client_secret: '" +
           secret + "', api_url: '" + discord.api_url() + "', authorize_url: '" +
           discord.authorize_url() + "', cdn_url: '" + discord.cdn_url() + "'" + more(s.discord) +
           "}\n";
    out += "upstreams: " + (s.upstreams.empty() ? "[{url: '" + app.url() + "'}]" : s.upstreams);
    out += "\nrules: " + s.rules + "\n";
    // Relative to where a daemon would run.
    const bool is_relative = s.clock && s.store.starts_with("sqlite:");
    const auto store = is_relative ? "sqlite:" + folder.file(s.store.substr(7)) : s.store;
    out += "session: {store: '" + store + "'" + more(s.session) + "}\n";
    out += "internal: {listen: '127.0.0.1:0'" + more(s.internal) + "}\nlog: {" + s.log + "}\n";
    const std::pair<const char*, const std::string*> sections[] = {
        {"paths",    &s.paths   },
        {"login",    &s.login   },
        {"logout",   &s.logout  },
        {"headers",  &s.headers },
        {"identity", &s.identity},
    };
    for (const auto& [name, text] : sections) {
        if (!text->empty()) out += std::string(name) + ": {" + *text + "}\n";
    }
    return out + s.rest;
}

void Stage::start_gate() {
    folder.write("cordgate.yaml", yaml(port()));
    if (script_.clock) {
        gate_here_ = std::make_unique<GateHere>(folder.path(), "cordgate.yaml", *script_.clock,
                                                script_.opened);
        return;
    }
    gate_ = std::make_unique<Daemon>(folder.path(), "cordgate.yaml", script_.descriptors);
}

int Stage::stop_gate() {
    if (gate_here_) return gate_here_.reset(), 0;
    const int code = gate_->stop();
    gate_.reset();
    return code;
}

std::unique_ptr<Daemon> Stage::start_twin(const ReservedPort& port) {
    folder.write("twin.yaml", yaml(port.number()));
    return std::make_unique<Daemon>(folder.path(), "twin.yaml");
}

std::unique_ptr<GateHere> Stage::start_twin_here(const ReservedPort& port) {
    folder.write("twin.yaml", yaml(port.number()));
    return std::make_unique<GateHere>(folder.path(), "twin.yaml", *script_.clock);
}

Browser Stage::browser() {
    Browser::Site site{port(), {}};
    if (home().starts_with("https:"))
        site.fields = {
            {"X-Forwarded-Proto", "https"}
        };
    return Browser(home(), std::move(site));
}

Browser Stage::browser_of(Snowflake user, const std::string& login) {
    discord.approve_as(user);
    auto out = browser();
    const auto answer = out.visit(login);
    if (answer.status() != 200) {
        throw std::runtime_error("the login ended with " + answer.head + answer.body);
    }
    return out;
}

std::vector<std::string> Stage::tokens() const {
    std::vector<std::string> out;
    httplib::Client client("127.0.0.1", discord.port());
    const auto state = client.Get("/sim/control/state");
    if (!state) return out;
    for (const std::string_view name : {"\"access_token\":\"", "\"refresh_token\":\""}) {
        for (auto at = state->body.find(name); at != std::string::npos;
             at = state->body.find(name, at + 1)) {
            const auto begin = at + name.size();
            out.push_back(state->body.substr(begin, state->body.find('"', begin) - begin));
        }
    }
    return out;
}

std::string Stage::request(std::string_view start, std::string_view fields) const {
    return std::string(start) + " HTTP/1.1\r\nHost: " + authority() + "\r\n" + std::string(fields) +
           "\r\n";
}

}  // namespace cordgate::test
