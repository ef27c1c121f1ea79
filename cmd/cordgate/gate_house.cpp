#include "cmd/cordgate/gate_house.hpp"

#include "cmd/cordgate/version.hpp"
#include "core/discord/client.hpp"
#include "proxy/discord_watch.hpp"

namespace cordgate {
namespace {

discord::ClientOptions client_options(const config::Settings& settings, const Now& now,
                                      const GateHouse::Ticks& ticks) {
    discord::ClientOptions options;
    options.api_url = settings.discord.api_url;
    options.client_id = settings.discord.client_id;
    options.client_secret = settings.discord.client_secret;
    options.bot_token = settings.discord.bot_token;
    options.ca_file = settings.discord.ca_file;
    options.version = version();
    options.now = now;
    options.ticks = ticks;
    return options;
}

std::vector<Snowflake> member_guilds(const config::Settings& settings) {
    const auto& named = settings.rules.member_guilds();
    std::vector<Snowflake> guilds(named.begin(), named.end());
    for (const auto guild : settings.identity.member_guilds) {
        if (!named.contains(guild)) guilds.push_back(guild);
    }
    return guilds;
}

LoginSettings login_settings(const config::Settings& settings) {
    LoginSettings login;
    login.client_id = settings.discord.client_id;
    login.authorize_url = settings.discord.authorize_url;
    login.redirect_uri = settings.redirect_uri();
    login.return_policy = {
        settings.server.public_url,
        settings.login.allowed_redirect_hosts,
        {settings.paths.login, settings.paths.callback, settings.paths.logout,
                                       settings.paths.prefix}
    };
    login.standard = settings.login.standard;
    login.profiles = settings.login.profiles;
    login.member_guilds = member_guilds(settings);
    login.session_lifetime = settings.session.lifetime;
    for (const auto& join : settings.login.auto_join) {
        discord::JoinOptions options;
        if (!join.nick.empty()) options.nick = join.nick;
        options.roles = join.roles;
        login.auto_join.push_back({join.guild, std::move(options)});
    }
    return login;
}

}  // namespace

GateHouse::GateHouse(const config::Settings& settings, const Now& now, const Ticks& ticks,
                     std::shared_ptr<OpenedStore> opened)
    : shared_store(opened ? std::move(opened)
                          : std::make_shared<OpenedStore>(
                                open_sessions(settings.session.store, settings.session.keys,
                                              settings.session.idle_timeout))),
      store(*shared_store),
      discord(std::make_unique<proxy::DiscordWatch>(
          discord::make_client(client_options(settings, now, ticks)), ticks)),
      login(login_settings(settings), *discord, *store.sessions, now),
      server({settings, *store.sessions, *discord, login, now, store.events.get(), version()}) {}

}  // namespace cordgate
