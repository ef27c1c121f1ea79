#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <iostream>
#include <stdexcept>

#include "cmd/cordgate/commands.hpp"
#include "cmd/cordgate/gate_process.hpp"
#include "cmd/cordgate/sample_app.hpp"
#include "cmd/discord-sim/simulator.hpp"
#include "config/load.hpp"
#include "proxy/access_log.hpp"

namespace cordgate {
namespace {

namespace fs = std::filesystem;

/// A folder that is gone when the demo is over.
class TemporaryFolder {
public:
    TemporaryFolder() {
        auto pattern = (fs::temp_directory_path() / "cordgate-demo-XXXXXX").string();
        if (!::mkdtemp(pattern.data())) {
            throw std::runtime_error("cannot make a folder like " + pattern + ": " +
                                     std::strerror(errno));
        }
        path_ = pattern;
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    const fs::path& path() const { return path_; }

private:
    fs::path path_;
};

/// A port of 127.0.0.1 that stays ours until the gate has it: bound, never
/// listening, and shared with nobody who does not ask to share.
class ReservedPort {
public:
    explicit ReservedPort(int wanted) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        const int on = 1;
        ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        ::setsockopt(fd_, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(static_cast<std::uint16_t>(wanted));
        socklen_t size = sizeof address;
        auto* where = reinterpret_cast<sockaddr*>(&address);
        if (::bind(fd_, where, size) != 0) {
            throw std::runtime_error("port " + std::to_string(wanted) + " of 127.0.0.1: " +
                                     std::strerror(errno) + "; choose another with --port");
        }
        ::getsockname(fd_, where, &size);
        port_ = ntohs(address.sin_port);
    }
    ReservedPort(const ReservedPort&) = delete;
    ReservedPort& operator=(const ReservedPort&) = delete;
    ~ReservedPort() { ::close(fd_); }
    int port() const { return port_; }

private:
    int fd_;
    int port_ = 0;
};

/// The same settings that somebody would write for a real application.
std::string demo_config(const std::string& port, const sim::Simulator& discord,
                        const std::string& app_port, const std::string& database) {
    using namespace sim::demo;
    return "server: {listen: ['127.0.0.1:" + port + "'], public_url: 'http://127.0.0.1:" + port +
           "'}\n"
           "discord:\n"
           "  client_id: '" +
           std::string(client_id) +
           "'\n"
           "  client_secret: '" +
           std::string(client_secret) +
           "'\n"
           "  api_url: '" +
           discord.api_url() +
           "'\n"
           "  authorize_url: '" +
           discord.authorize_url() +
           "'\n"
           "  cdn_url: '" +
           discord.cdn_url() +
           "'\n"
           "login: {scopes: [identify, guilds, guilds.members.read]}\n"
           "upstreams: [{url: 'http://127.0.0.1:" +
           app_port +
           "'}]\n"
           "rules:\n"
           "  - {path: /, access: optional}\n"
           "  - {path: /style.css, access: public}\n"
           "  - {path: /app.js, access: public}\n"
           "  - {path: /icon.svg, access: public}\n"
           "  - {path: /favicon.ico, access: public}\n"
           "  - path: /staff/**\n"
           "    require: {guild: '" +
           garden.to_string() + "', role: ['" + garden_staff.to_string() +
           "']}\n"
           "  - {path: /**, access: login}\n"
           "identity: {member_guilds: ['" +
           garden.to_string() + "', '" + lighthouse.to_string() + "', '" + workshop.to_string() +
           "']}\n"
           "session: {store: 'sqlite:" +
           database +
           "'}\n"
           "internal: {listen: '127.0.0.1:0'}\n"
           "log: {level: warn}\n";
}

config::Settings load_demo(const fs::path& folder, const std::string& text) {
    const auto file = (folder / "cordgate.yaml").string();
    const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || ::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
        throw std::runtime_error("cannot write " + file + ": " + std::strerror(errno));
    }
    ::close(fd);
    config::Sources sources;
    sources.file = file;
    auto loaded = config::load(sources);
    if (loaded.settings) return std::move(*loaded.settings);
    std::string problems = "the demo's own configuration is wrong:";
    for (const auto& problem : loaded.problems) problems += "\n  " + problem.to_string();
    throw std::logic_error(problems);
}

int serve_demo(int wanted_port) {
    const TemporaryFolder folder;
    const ReservedPort reserved(wanted_port);
    const auto port = std::to_string(reserved.port());

    sim::Simulator::Options options;
    options.world = sim::demo_world();
    options.application_name = "Cordgate demo";
    options.redirect_uris = {"http://127.0.0.1:" + port + "/callback"};
    sim::Simulator discord(options);
    discord.start();
    SampleApp app;
    const auto app_port = std::to_string(app.start());

    const auto settings =
        load_demo(folder.path(),
                  demo_config(port, discord, app_port, (folder.path() / "sessions.db").string()));
    proxy::start_logging(settings.log);
    const int code = run_gate(
        settings,
        [&](const Listening&) {
            std::cout << "Open     http://127.0.0.1:" << port << "/\n"
                      << "Discord  " << discord.base_url() << " (simulated: five invented people)\n"
                      << "App      http://127.0.0.1:" << app_port << " (what the gate protects)\n"
                      << "Ctrl-C ends the demo.\n"
                      << std::flush;
        },
        [&] { return std::optional(settings); });
    proxy::stop_logging();
    app.stop();
    discord.stop();
    return code;
}

}  // namespace

int run_demo(int port) {
    try {
        return serve_demo(port);
    } catch (const std::exception& error) {
        std::cerr << "cordgate demo: " << error.what() << '\n';
        return exit_failure;
    }
}

}  // namespace cordgate
