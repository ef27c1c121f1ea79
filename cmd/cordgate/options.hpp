#pragma once

#include <map>
#include <string>
#include <vector>

namespace cordgate {

enum class Command { serve, check, init, demo, sessions, healthcheck, version };

/// What `cordgate sessions` is asked to do, and with which.
struct SessionsWish {
    enum class Action { list, show, revoke };

    Action action = Action::list;
    std::vector<std::string> handles;
    std::string user;
    std::string guild;
    bool all = false;
    bool at_discord = false;  ///< revoke the grant there, too
    bool json = false;
    int limit = 1000;  ///< sessions a page
};

/// What the command line asks for.
struct Invocation {
    Command command = Command::serve;
    std::string config_file;                   ///< --config; empty: the usual places
    std::map<std::string, std::string> flags;  ///< settings given as flags, by flag name
    std::string directory = ".";               ///< init
    int demo_port = 8080;                      ///< demo; 0: the kernel chooses
    bool quiet = false;                        ///< check: problems only
    SessionsWish sessions;                     ///< sessions
    int exit_code = -1;                        ///< >= 0: done already (--help, usage error: 2)
};

/// Parses the command line; prints help and usage errors itself.
Invocation parse_command_line(int argc, char** argv);

}  // namespace cordgate
