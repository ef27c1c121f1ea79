#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "cmd/cordgate/commands.hpp"
#include "cmd/cordgate/gate_process.hpp"
#include "cmd/cordgate/sources.hpp"
#include "cmd/cordgate/version.hpp"
#include "config/report.hpp"
#include "proxy/access_log.hpp"

namespace cordgate {
namespace {

void print_problems(const config::Loaded& loaded) {
    for (const auto& problem : loaded.problems) std::cerr << problem.to_string() << '\n';
}

std::optional<config::Settings> load_again(const config::Sources& sources) {
    auto loaded = config::load(sources);
    for (const auto& problem : loaded.problems) {
        if (loaded.settings) {
            proxy::log_warn("reload", problem.to_string());
        } else {
            proxy::log_error("reload", problem.to_string());
        }
    }
    return std::move(loaded.settings);
}

}  // namespace

int run_check(const Invocation& invocation) {
    const auto sources = find_sources(invocation);
    const auto loaded = config::load(sources);
    print_problems(loaded);
    if (!loaded.settings) return exit_configuration;
    if (!invocation.quiet) std::cout << config::effective_settings(sources, *loaded.settings);
    return exit_ok;
}

int run_serve(const Invocation& invocation) {
    const auto sources = find_sources(invocation);
    const auto loaded = config::load(sources);
    print_problems(loaded);
    if (!loaded.settings) {
        std::cerr << "cordgate: not started: the configuration has errors (see above). "
                     "'cordgate check' shows what is in effect, 'cordgate init' writes a "
                     "configuration to start from.\n";
        return exit_configuration;
    }
    proxy::start_logging(loaded.settings->log);
    proxy::log_info("start",
                    "cordgate " + version() + " for " +
                        loaded.settings->server.public_url.to_string() +
                        "; register this redirect at Discord: " + loaded.settings->redirect_uri());
    int code = exit_failure;
    try {
        code = run_gate(
            *loaded.settings, [](const Listening&) {}, [&] { return load_again(sources); });
    } catch (const std::exception& error) {
        proxy::log_error("not started", error.what());
    }
    // A log that nobody reads must not keep a daemon alive that has stopped.
    std::thread([code] {
        std::this_thread::sleep_for(std::chrono::seconds(2));
        std::_Exit(code);
    }).detach();
    proxy::stop_logging();
    return code;
}

}  // namespace cordgate
