#include <httplib.h>

#include <iostream>

#include "cmd/cordgate/commands.hpp"
#include "cmd/cordgate/sources.hpp"

namespace cordgate {
namespace {

/// An address to connect to, for one to listen on.
std::string reachable(const std::string& host) {
    if (host.empty() || host == "0.0.0.0") return "127.0.0.1";
    if (host == "::") return "::1";
    return host;
}

}  // namespace

int run_healthcheck(const Invocation& invocation) {
    const auto loaded = config::load(find_sources(invocation));
    if (!loaded.settings) {
        for (const auto& problem : loaded.problems) std::cerr << problem.to_string() << '\n';
        return exit_failure;
    }
    const auto& listen = loaded.settings->internal.listen;
    const bool is_unix = !listen.unix_path.empty();
    httplib::Client client(is_unix ? listen.unix_path : reachable(listen.host),
                           is_unix ? 80 : listen.port);
    if (is_unix) client.set_address_family(AF_UNIX);
    client.set_connection_timeout(2, 0);
    client.set_read_timeout(3, 0);
    const auto answer = client.Get("/readyz");
    if (answer && answer->status == 200) return exit_ok;
    std::cerr << "cordgate healthcheck: " << listen.to_string() << "/readyz: "
              << (answer ? "status " + std::to_string(answer->status) + ": " + answer->body
                         : "no answer: " + httplib::to_string(answer.error()))
              << '\n';
    return exit_failure;
}

}  // namespace cordgate
