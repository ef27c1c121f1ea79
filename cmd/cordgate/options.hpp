#pragma once

#include <map>
#include <string>
#include <vector>

namespace cordgate {

enum class Command { serve, check, init, demo, healthcheck, version };

/// What the command line asks for.
struct Invocation {
    Command command = Command::serve;
    std::string config_file;                   ///< --config; empty: the usual places
    std::map<std::string, std::string> flags;  ///< settings given as flags, by flag name
    std::string directory = ".";               ///< init
    int demo_port = 8080;                      ///< demo; 0: the kernel chooses
    bool quiet = false;                        ///< check: problems only
    int exit_code = -1;                        ///< >= 0: done already (--help, usage error: 2)
};

/// Parses the command line; prints help and usage errors itself.
Invocation parse_command_line(int argc, char** argv);

}  // namespace cordgate
