#include <iostream>

#include "cmd/cordgate/commands.hpp"
#include "cmd/cordgate/internal_client.hpp"
#include "cmd/cordgate/sources.hpp"

namespace cordgate {

int run_healthcheck(const Invocation& invocation) {
    const auto loaded = config::load_internal(find_sources(invocation));
    if (!loaded.settings) {
        for (const auto& problem : loaded.problems) std::cerr << problem.to_string() << '\n';
        return exit_failure;
    }
    InternalClient daemon(*loaded.settings);
    const auto answer = daemon.get("/readyz");
    if (answer && answer->status == 200) return exit_ok;
    std::cerr << "cordgate healthcheck: "
              << (answer ? "/readyz: status " + std::to_string(answer->status) + ": " + answer->body
                         : answer.error().detail)
              << '\n';
    return exit_failure;
}

}  // namespace cordgate
