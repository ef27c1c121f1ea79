#pragma once

#include <string>

#include "cmd/cordgate/options.hpp"

namespace cordgate {

// The subcommands; each returns the process's exit code.

inline constexpr int exit_ok = 0;
inline constexpr int exit_failure = 1;
inline constexpr int exit_configuration = 78;  // EX_CONFIG of sysexits.h

int run_serve(const Invocation& invocation);
int run_check(const Invocation& invocation);
int run_init(const std::string& directory);
int run_demo(int port);
int run_sessions(const Invocation& invocation);
int run_healthcheck(const Invocation& invocation);

}  // namespace cordgate
