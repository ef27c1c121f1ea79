#include "cmd/cordgate/options.hpp"

#include <CLI/CLI.hpp>

#include "cmd/cordgate/version.hpp"
#include "config/table.hpp"

namespace cordgate {
namespace {

/// Every setting as a flag, from the same table as everything else about it.
void add_settings(CLI::App& command, Invocation& out) {
    command.add_option("--config,-c", out.config_file,
                       "Configuration file (YAML); else CORDGATE_CONFIG, ./cordgate.yaml or "
                       "/etc/cordgate/cordgate.yaml");
    for (const auto& name : config::outer_names()) {
        const auto flag = name.flag;
        command
            .add_option_function<std::string>(
                "--" + flag, [&out, flag](const std::string& value) { out.flags[flag] = value; },
                name.help)
            ->type_name(name.metavar.empty() ? "TEXT" : name.metavar)
            ->group("Settings");
    }
}

}  // namespace

Invocation parse_command_line(int argc, char** argv) {
    Invocation out;
    CLI::App app{"Log in with Discord, in front of any web application."};
    app.require_subcommand(0, 1);
    app.set_version_flag("--version", version());

    auto* serve = app.add_subcommand("serve", "Run the daemon in the foreground (the default)");
    auto* check =
        app.add_subcommand("check", "Check the configuration and print what is in effect");
    auto* init =
        app.add_subcommand("init", "Write a configuration and a compose file to start from");
    auto* demo =
        app.add_subcommand("demo", "Try everything on this machine, without a Discord account");
    auto* health = app.add_subcommand("healthcheck", "Ask a running daemon whether it is ready");
    auto* about = app.add_subcommand("version", "Print version, commit, compiler and libraries");
    for (auto* command : {&app, serve, check, health}) add_settings(*command, out);
    check->add_flag("--quiet,-q", out.quiet, "Print problems only");
    init->add_option("DIR", out.directory, "Where to write")->capture_default_str();
    demo->add_option("--port", out.demo_port, "Port of the gate on 127.0.0.1; 0 takes a free one")
        ->check(CLI::Range(0, 65535))
        ->capture_default_str();

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        out.exit_code = app.exit(error) == 0 ? 0 : 2;
        return out;
    }
    const std::pair<CLI::App*, Command> commands[] = {
        {serve,  Command::serve      },
        {check,  Command::check      },
        {init,   Command::init       },
        {demo,   Command::demo       },
        {health, Command::healthcheck},
        {about,  Command::version    },
    };
    for (const auto& [parsed, command] : commands) {
        if (*parsed) out.command = command;
    }
    return out;
}

}  // namespace cordgate
