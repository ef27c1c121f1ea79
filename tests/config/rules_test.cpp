#include "core/discord/permissions.hpp"
#include "support.hpp"

using namespace cordgate;
using namespace cordgate::config;
using Kind = Requirement::Kind;

namespace {

struct Row {
    std::string name;
    std::string yaml;
    std::string says;
};

Rule rule_of(const std::string& require) {
    const auto loaded = load_text("rules: [{path: /a, require: " + require + "}]\n");
    INFO(all(loaded));
    REQUIRE(loaded.settings);
    CHECK(loaded.problems.empty());
    return loaded.settings->rules.at(0);
}

void check_refused(const Row& row) {
    CAPTURE(row.name);
    const auto loaded = load_text(row.yaml);
    INFO(all(loaded));
    CHECK_FALSE(loaded.settings);
    CHECK(says(loaded, row.says));
}

void check_warned(const Row& row) {
    CAPTURE(row.name);
    const auto loaded = load_text(row.yaml);
    INFO(all(loaded));
    CHECK(loaded.settings);
    CHECK(says(loaded, row.says));
}

}  // namespace

TEST_CASE("rules become what they say") {
    const auto loaded = load_text(
        "rules:\n"
        "  - {path: '/assets/**', methods: [GET, HEAD], access: public}\n"
        "  - {path: /feed, access: optional}\n"
        "  - {path: '/**'}\n");
    INFO(all(loaded));
    REQUIRE(loaded.settings);
    const auto& rules = loaded.settings->rules;
    REQUIRE(rules.size() == 4);
    CHECK(rules.at(0).name == "rules[0] /assets/**");
    CHECK(rules.at(0).access == Access::everyone);
    CHECK(rules.at(0).methods == std::vector<std::string>{"GET", "HEAD"});
    CHECK(rules.at(1).access == Access::optional);
    CHECK(rules.at(2).access == Access::login);
    CHECK_FALSE(rules.at(2).require);
}

TEST_CASE(
    "each predicate reaches the rule it was written for (CVE-2021-21411, GHSA-652x-m2gr-hppm)") {
    const auto user = *rule_of("{user: ['5', 6]}").require;
    CHECK(user.kind == Kind::user);
    CHECK(user.ids == std::vector<Snowflake>{Snowflake(5), Snowflake(6)});

    const auto guild = *rule_of("{guild: '197038439483310086'}").require;
    CHECK(guild.kind == Kind::guild);
    CHECK(guild.ids.at(0) == Snowflake(197038439483310086ULL));

    const auto role = *rule_of("{role: [7, 8], guild: 5}").require;
    CHECK(role.kind == Kind::role);
    CHECK(role.ids.size() == 2);
    CHECK(role.guilds == std::vector<Snowflake>{Snowflake(5)});

    const auto owner = *rule_of("{owner: '5'}").require;
    CHECK(owner.kind == Kind::owner);
    CHECK(owner.guilds.at(0) == Snowflake(5));

    const auto permission = *rule_of("{permission: {guild: 5, all: [MANAGE_GUILD]}}").require;
    CHECK(permission.kind == Kind::permission);
    CHECK(permission.permissions == discord::permission_bit("MANAGE_GUILD"));
    CHECK(permission.guilds.at(0) == Snowflake(5));

    const auto both = *rule_of("{user: [5], owner: 6}").require;
    CHECK(both.kind == Kind::all);
    CHECK(both.parts.size() == 2);

    const auto tree =
        *rule_of("{any: [{user: 5}, {all: [{guild: 6}, {not: {owner: 6}}]}]}").require;
    CHECK(tree.kind == Kind::any);
    REQUIRE(tree.parts.size() == 2);
    CHECK(tree.parts[1].kind == Kind::all);
    REQUIRE(tree.parts[1].parts.size() == 2);
    CHECK(tree.parts[1].parts[1].kind == Kind::negate);
    CHECK(tree.parts[1].parts[1].parts.at(0).kind == Kind::owner);
}

TEST_CASE("rules that cannot be meant so are refused (N11)") {
    // clang-format off
    const Row rows[] = {
        {"no path", "rules: [{access: login}]\n", "rules[0].path: is required"},
        {"no slash", "rules: [{path: a}]\n", "is not a pattern"},
        {"half a segment", "rules: [{path: '/a**'}]\n", "is not a pattern"},
        {"dots", "rules: [{path: /a/../b}]\n", "is not a pattern"},
        {"bad access", "rules: [{path: /a, access: open}]\n", "public, optional, login"},
        {"small method", "rules: [{path: /a, methods: [get]}]\n", "in capitals"},
        {"no method", "rules: [{path: /a, methods: []}]\n", "could never match"},
        {"public and more", "rules: [{path: /a, access: public, require: {user: 5}}]\n",
         "together with `require`"},
        {"optional and more", "rules: [{path: /a, access: optional, require: {user: 5}}]\n",
         "together with `require`"},
        {"empty requirement", "rules: [{path: /a, require: {}}]\n", "asks for nothing"},
        {"no id", "rules: [{path: /a, require: {user: []}}]\n", "names no id"},
        {"role alone", "rules: [{path: /a, require: {role: 5}}]\n", "needs `guild`"},
        {"empty any", "rules: [{path: /a, require: {any: []}}]\n", "at least one"},
        {"list for a requirement", "rules: [{path: /a, require: [{user: 5}]}]\n", "a mapping"},
        {"permission without guild", "rules: [{path: /a, require: {permission: {all: [BAN_MEMBERS]"
         "}}}]\n", "needs `guild`"},
        {"permission without names", "rules: [{path: /a, require: {permission: {guild: 5}}}]\n",
         "needs `all`"},
        {"permission misspelt",
         "rules: [{path: /a, require: {permission: {guild: 5, all: [MANAGE_GILD]}}}]\n",
         "did you mean \"MANAGE_GUILD\"?"},
        {"permission with any",
         "rules: [{path: /a, require: {permission: {guild: 5, any: [BAN_MEMBERS]}}}]\n",
         "allowed: guild, all"},
        {"predicate misspelt", "rules: [{path: /a, require: {guilds: 5}}]\n",
         "did you mean \"guild\"?"},
        {"later", "rules: [{path: /a, require: {booster: 5}}]\n", "is not supported yet"},
        {"later, deep", "rules: [{path: /a, require: {any: [{not: {mfa: true}}]}}]\n",
         "rules[0].require.any[0].not.mfa: is not supported yet"},
        {"login path", "rules: [{path: /login, access: public}]\n", "Cordgate's own (/login)"},
        {"login path in disguise", "rules: [{path: '/%6cogin'}]\n", "Cordgate's own (/login)"},
        {"callback path", "rules: [{path: /callback/}]\n", "Cordgate's own (/callback)"},
        {"prefix", "rules: [{path: '/_cordgate/**', access: public}]\n", "Cordgate's own"},
        {"below the prefix", "rules: [{path: /_cordgate/me, access: public}]\n", "Cordgate's own"},
        {"a text", "rules: ['/a']\n", "rules[0]: must be a mapping"},
        {"a mapping", "rules: {path: /a}\n", "must be a list"},
    };
    // clang-format on
    for (const auto& row : rows) check_refused(row);
}

TEST_CASE("ids are decimal and whole, quoted or not (N12)") {
    for (const std::string bad : {"'12ab'", "1e18", "-5", "0x10", "'1 2'", "1.5", "''", "0",
                                  "'012'", "18446744073709551616", "null", "{a: b}", "true"}) {
        CAPTURE(bad);
        CHECK_FALSE(load_text("rules: [{path: /a, require: {user: [" + bad + "]}}]\n").settings);
        CHECK_FALSE(load_text("identity: {member_guilds: [" + bad + "]}\n").settings);
        CHECK_FALSE(load_text("login: {auto_join: [{guild: " + bad + "}]}\n").settings);
    }
    // More digits than a double holds: nothing is lost on the way.
    const auto rule = rule_of("{user: [9007199254740993, '18446744073709551615']}");
    CHECK(rule.require->ids.at(0).to_string() == "9007199254740993");
    CHECK(rule.require->ids.at(1).to_string() == "18446744073709551615");
    for (const std::string bad : {"12ab", "abc", "1e5", "-1", "0"}) {
        auto environment = minimal();
        environment["CORDGATE_DISCORD_CLIENT_ID"] = bad;
        CHECK(says(load({.file = "", .environment = environment, .flags = {}}),
                   "discord.client_id: "));
    }
}

TEST_CASE("a rule that can never match is a warning with both places (N11, CVE-2025-54576)") {
    // clang-format off
    const Row unreachable[] = {
        {"after everything", "rules:\n  - {path: '/**'}\n  - {path: /a}\n",
         "c.yaml:3:5: rules[1]: warning: can never match: the rule \"/**\" at c.yaml:2:5"},
        {"same again", "rules:\n  - {path: /a}\n  - {path: /a/, access: public}\n", "c.yaml:2:5"},
        {"below", "rules:\n  - {path: '/a/**'}\n  - {path: /a/b/c}\n", "can never match"},
        {"the folder itself", "rules:\n  - {path: '/a/**'}\n  - {path: /a}\n", "can never match"},
        {"pattern below", "rules:\n  - {path: '/a/**'}\n  - {path: '/a/*/c'}\n", "can never match"},
        {"fewer methods", "rules:\n  - {path: /a}\n  - {path: /a, methods: [GET]}\n",
         "can never match"},
        {"GET covers HEAD",
         "rules:\n  - {path: /a, methods: [GET]}\n  - {path: /a, methods: [HEAD]}\n",
         "can never match"},
        {"open to all", "rules:\n  - {path: '/**', access: public}\n", "to anybody"},
    };
    // clang-format on
    for (const auto& row : unreachable) check_warned(row);
    const std::string reachable[] = {
        "rules: [{path: /a, methods: [GET]}, {path: /a}]\n",
        "rules: [{path: /a, methods: [GET]}, {path: /a, methods: [POST]}]\n",
        "rules: [{path: /a}, {path: '/a/**'}]\n",
        "rules: [{path: '/a/**'}, {path: /ab}]\n",
        "rules: [{path: '/*/b'}, {path: /a/b}]\n",
        "rules: [{path: '/a/*'}, {path: '/a/**'}]\n",
        "rules: [{path: '/login/**'}]\n",
    };
    for (const auto& yaml : reachable) {
        CAPTURE(yaml);
        const auto loaded = load_text(yaml);
        INFO(all(loaded));
        CHECK(loaded.settings);
        CHECK(loaded.problems.empty());
    }
}

TEST_CASE("scopes that rules need are added to every login") {
    const auto loaded = load_text(
        "login: {scopes: [identify], profiles: {more: {scopes: [identify, email]}, same: }}\n"
        "rules: [{path: /a, require: {guild: 5, role: 7}}, {path: /b, require: {owner: 5}}]\n");
    INFO(all(loaded));
    REQUIRE(loaded.settings);
    CHECK(loaded.problems.empty());
    const auto& login = loaded.settings->login;
    CHECK(login.standard.scopes ==
          std::vector<std::string>{"identify", "guilds", "guilds.members.read"});
    CHECK(login.profiles.at("more").scopes ==
          std::vector<std::string>{"identify", "email", "guilds", "guilds.members.read"});
    CHECK(login.profiles.at("same").scopes == login.standard.scopes);
    CHECK(load_text("identity: {member_guilds: ['5']}\n").settings->login.standard.scopes.back() ==
          "guilds.members.read");
}

TEST_CASE("logins that cannot work are refused") {
    // clang-format off
    const Row rows[] = {
        {"no identify", "login: {scopes: [guilds]}\n", "needs the scope identify"},
        {"no identify in a profile", "login: {profiles: {a: {scopes: [guilds]}}}\n",
         "login.profiles.a.scopes: needs the scope identify"},
        {"two scopes in one", "login: {scopes: [identify guilds]}\n", "cannot be a scope"},
        {"none and bot", "login: {scopes: [identify, bot], prompt: none}\n", "cannot be none"},
        {"none and webhook",
         "login: {profiles: {a: {scopes: [identify, webhook.incoming], prompt: none}}}\n",
         "login.profiles.a.prompt: cannot be none"},
        {"bad profile name", "login: {profiles: {'a b': {}}}\n", "is not a name"},
        {"bad permission", "login: {profiles: {a: {permissions: [FLY]}}}\n", "is not a permission"},
        {"bad number", "login: {profiles: {a: {permissions: 1x}}}\n", "whole number"},
        {"integration type", "login: {profiles: {a: {integration_type: 2}}}\n", "at most 1"},
        {"state", "login: {profiles: {a: {extra_params: {state: x}}}}\n", "is not allowed here"},
        {"redirect", "login: {profiles: {a: {extra_params: {redirect_uri: x}}}}\n",
         "is not allowed here"},
        {"twice", "login: {profiles: {a: {guild_id: 5, extra_params: {guild_id: 6}}}}\n",
         "is given twice"},
        {"bad id", "login: {profiles: {a: {extra_params: {channel_id: x}}}}\n", "is not an id"},
        {"join without a bot",
         "login: {scopes: [identify, guilds.join], auto_join: [{guild: 5}]}\n",
         "needs discord.bot_token"},
        {"join without the scope",
         "discord: {bot_token: abcdefgh12345678}\nlogin: {auto_join: [{guild: 5}]}\n",
         "needs the scope guilds.join"},
        {"redirect host with a scheme", "login: {allowed_redirect_hosts: ['https://a.example']}\n",
         "is not a host"},
        {"redirect to anybody", "login: {allowed_redirect_hosts: ['*']}\n", "is not a host"},
        {"redirect to a TLD", "login: {allowed_redirect_hosts: [.com]}\n", "top-level domain"},
        {"redirect port", "login: {allowed_redirect_hosts: ['a.example:0']}\n", "is not a host"},
        {"revoke", "logout: {revoke: sometimes}\n", "never, last_session, always"},
    };
    // clang-format on
    for (const auto& row : rows) check_refused(row);
    check_warned({"unknown scope", "login: {scopes: [identify, guild.members.read]}\n",
                  "did you mean \"guilds.members.read\"?"});
    check_warned({"identity", "login: {scopes: [identify, identity]}\n", "\"identify\"?"});
    check_warned({"approval", "login: {scopes: [identify, activities.read]}\n", "approved"});
    check_warned({"permissions without bot", "login: {profiles: {a: {permissions: 8}}}\n",
                  "without the scope bot"});
}

TEST_CASE("a profile says everything that Discord's page can be told") {
    const auto loaded = load_text(
        "discord: {bot_token: abcdefgh12345678}\n"
        "login:\n"
        "  scopes: [identify, guilds.join]\n"
        "  auto_join: [{guild: '5', roles: ['7'], nick: Visitor}]\n"
        "  allowed_redirect_hosts: [Wiki.example, a.example:8443, .b.example]\n"
        "  profiles:\n"
        "    invite:\n"
        "      scopes: [identify, bot]\n"
        "      prompt: consent\n"
        "      permissions: [MANAGE_GUILD, BAN_MEMBERS]\n"
        "      guild_id: '5'\n"
        "      disable_guild_select: true\n"
        "      integration_type: 0\n"
        "      extra_params: {channel_id: '9'}\n"
        "    number: {scopes: [identify, bot], permissions: 8}\n");
    INFO(all(loaded));
    REQUIRE(loaded.settings);
    CHECK(loaded.problems.empty());
    const auto& login = loaded.settings->login;
    const auto& invite = login.profiles.at("invite");
    CHECK(invite.prompt == Prompt::consent);
    CHECK(invite.permissions == 0x24);
    CHECK(invite.guild_id == Snowflake(5));
    CHECK(invite.disable_guild_select == true);
    CHECK(invite.integration_type == 0);
    CHECK(invite.extra_params.at("channel_id") == "9");
    CHECK(login.profiles.at("number").permissions == 8);
    CHECK(login.auto_join.at(0).nick == "Visitor");
    CHECK(login.auto_join.at(0).roles.at(0) == Snowflake(7));
    CHECK(login.allowed_redirect_hosts.at(0) == "wiki.example");
}
