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
    // What has no flag says so, instead of being an argument that nobody expected.
    for (const auto& flag : config::file_only_flags()) {
        command
            .add_option_function<std::string>(
                "--" + flag,
                [flag](const std::string&) {
                    throw CLI::ValidationError("--" + flag,
                                               "can only be set in the configuration file");
                },
                "In the configuration file only.")
            ->type_name("")
            ->group("In the configuration file only");
    }
}

struct SessionCommands {
    CLI::App* sessions;
    CLI::App* list;
    CLI::App* show;
    CLI::App* revoke;
};

SessionCommands add_sessions(CLI::App& app, Invocation& out) {
    auto& wish = out.sessions;
    auto* sessions = app.add_subcommand("sessions", "See and end sessions of a running daemon");
    sessions->require_subcommand(1);
    auto* list = sessions->add_subcommand("list", "List sessions");
    auto* show = sessions->add_subcommand("show", "Show all that is known of a session");
    auto* revoke = sessions->add_subcommand("revoke", "End sessions");
    list->add_flag("--json", wish.json, "Print what the internal API says, a page a line");
    show->add_option("HANDLE", wish.handles, "As X-Discord-Session and the list name it")
        ->required();
    auto* handles = revoke->add_option("HANDLE", wish.handles, "Sessions by name");
    auto* all = revoke->add_flag("--all", wish.all, "Every session there is");
    revoke->add_flag("--discord", wish.at_discord,
                     "Also revoke the grant at Discord, which ends all sessions of that user");
    for (auto* command : {list, revoke}) {
        auto* user = command->add_option("--user", wish.user, "Those of this user");
        auto* guild = command->add_option("--guild", wish.guild,
                                          "Those of members of this guild, as far as is known");
        for (auto* option : {user, guild}) {
            option->type_name("ID");
            if (command == revoke) option->excludes(all)->excludes(handles);
        }
    }
    all->excludes(handles);
    return {sessions, list, show, revoke};
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
    const auto sessions = add_sessions(app, out);
    auto* about = app.add_subcommand("version", "Print version, commit, compiler and libraries");
    for (auto* command :
         {&app, serve, check, health, sessions.list, sessions.show, sessions.revoke}) {
        add_settings(*command, out);
    }
    check->add_flag("--quiet,-q", out.quiet, "Print problems only");
    init->add_option("DIR", out.directory, "Where to write")->capture_default_str();
    demo->add_option("--port", out.demo_port, "Port of the gate on 127.0.0.1; 0 takes a free one")
        ->check(CLI::Range(0, 65535))
        ->capture_default_str();

    try {
        app.parse(argc, argv);
        const auto& wish = out.sessions;
        const bool names_none =
            wish.handles.empty() && !wish.all && wish.user.empty() && wish.guild.empty();
        if (*sessions.revoke && names_none) {
            throw CLI::RequiredError("HANDLE, --user, --guild or --all");
        }
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
    if (*sessions.sessions) out.command = Command::sessions;
    if (*sessions.show) out.sessions.action = SessionsWish::Action::show;
    if (*sessions.revoke) out.sessions.action = SessionsWish::Action::revoke;
    for (const auto& [parsed, command] : commands) {
        if (*parsed) out.command = command;
    }
    return out;
}

}  // namespace cordgate
