#include <iostream>

#include "cmd/cordgate/commands.hpp"
#include "cmd/cordgate/gate_process.hpp"
#include "cmd/cordgate/version.hpp"

namespace {

int run(const cordgate::Invocation& invocation) {
    using cordgate::Command;
    switch (invocation.command) {
        case Command::serve: return cordgate::run_serve(invocation);
        case Command::check: return cordgate::run_check(invocation);
        case Command::init: return cordgate::run_init(invocation.directory);
        case Command::demo: return cordgate::run_demo(invocation.demo_port);
        case Command::sessions: return cordgate::run_sessions(invocation);
        case Command::healthcheck: return cordgate::run_healthcheck(invocation);
        case Command::version: std::cout << cordgate::version_report(); return cordgate::exit_ok;
    }
    return cordgate::exit_failure;
}

}  // namespace

int main(int argc, char** argv) {
    const auto invocation = cordgate::parse_command_line(argc, argv);
    if (invocation.exit_code >= 0) return invocation.exit_code;
    try {
        cordgate::block_signals();
        return run(invocation);
    } catch (const std::exception& error) {
        std::cerr << "cordgate: " << error.what() << '\n';
        return cordgate::exit_failure;
    }
}
