#include <algorithm>

#include "config/network.hpp"
#include "config/scopes.hpp"
#include "config/sections.hpp"
#include "config/units.hpp"
#include "core/ascii.hpp"
#include "core/discord/permissions.hpp"

namespace cordgate::config {
namespace {

constexpr std::string_view extra_params[] = {"guild_id", "disable_guild_select", "integration_type",
                                             "channel_id", "nonce"};

bool has(const LoginProfile& profile, std::string_view scope) {
    return std::find(profile.scopes.begin(), profile.scopes.end(), scope) != profile.scopes.end();
}

Prompt to_prompt(std::string_view text) {
    if (text == "consent") return Prompt::consent;
    return text == "none" ? Prompt::none : Prompt::automatic;
}

std::vector<std::string> read_scopes(Values& values, std::string_view key) {
    std::vector<std::string> out;
    for (const auto& item : values.list(key)) {
        const auto name = values.full(key);
        const bool good = std::all_of(item.text.begin(), item.text.end(), [](char c) {
            return is_lower(c) || is_digit(c) || c == '.' || c == '_';
        });
        const Scope* const scope = find_scope(item.text);
        const auto near = nearest(item.text, scope_names());
        const auto hint = near && *near != item.text ? "; did you mean \"" + *near + "\"?" : "";
        if (!good) {
            values.problems().error(item.place, name,
                                    in_quotes(item.text) + " cannot be a scope" + hint);
        } else if (!scope) {
            values.problems().warning(
                item.place, name,
                in_quotes(item.text) + " is not a scope that Discord documents" + hint);
        } else if (!scope->caution.empty()) {
            values.problems().warning(item.place, name,
                                      in_quotes(item.text) + ": " + std::string(scope->caution) +
                                          "; otherwise every login fails");
        }
        out.push_back(item.text);
    }
    if (std::find(out.begin(), out.end(), "identify") == out.end())
        values.error(key, "needs the scope identify: without it nobody knows who the visitor is");
    return out;
}

void check_prompt(Values& values, std::string_view key, const LoginProfile& profile) {
    if (profile.prompt != Prompt::none) return;
    for (const auto& scope : profile.scopes)
        if (is_passthrough(scope))
            values.error(key, "cannot be none with the scope " + scope +
                                  ": Discord always asks for it; use consent or auto");
}

// A number, or names of permissions.
std::uint64_t read_permissions(Values& entry) {
    const Node* const node = entry.node("permissions");
    if (!node) return 0;
    if (node->kind == Node::Kind::scalar && !node->text.empty() && is_digit(node->text.front())) {
        const auto parsed = parse_count(node->text);
        if (const auto* const problem = std::get_if<std::string>(&parsed)) {
            entry.error("permissions", in_quotes(node->text) + " " + *problem);
            return 0;
        }
        return std::get<std::uint64_t>(parsed);
    }
    std::uint64_t bits = 0;
    for (const auto& item : entry.list("permissions")) {
        const auto bit = discord::permission_bit(item.text);
        if (bit) {
            bits |= *bit;
            continue;
        }
        std::vector<std::string> names;
        for (const auto name : discord::permission_names()) names.emplace_back(name);
        const auto near = nearest(item.text, names);
        entry.problems().error(item.place, entry.full("permissions"),
                               in_quotes(item.text) + " is not a permission of Discord's" +
                                   (near ? "; did you mean \"" + *near + "\"?" : ""));
    }
    return bits;
}

void read_extra_params(Values& entry, LoginProfile& profile) {
    const Node* const node = entry.node("extra_params");
    if (!node) return;
    if (node->kind != Node::Kind::map)
        return entry.error("extra_params", "must be a mapping from names to texts");
    for (std::size_t i = 0; i < node->fields.size(); ++i) {
        const auto& [name, value] = node->fields[i];
        const auto key = entry.full("extra_params") + "." + name;
        const auto& at = node->field_places[i];
        // Anything else would let the file overwrite state, PKCE or the
        // redirect, which are what makes a login safe.
        if (std::find(std::begin(extra_params), std::end(extra_params), name) ==
            std::end(extra_params)) {
            entry.problems().error(at, entry.full("extra_params"),
                                   in_quotes(name) +
                                       " is not allowed here; allowed: guild_id, "
                                       "disable_guild_select, integration_type, "
                                       "channel_id, nonce");
        } else if (value.kind != Node::Kind::scalar) {
            entry.problems().error(at, key, "must be a text");
        } else if (entry.given(name)) {
            entry.problems().error(at, key, "is given twice; " + entry.full(name) + " is enough");
        } else {
            if (name.ends_with("_id")) (void)read_id(value, key, entry.problems());
            profile.extra_params[name] = value.text;
        }
    }
}

LoginProfile read_profile(Values& entry, const LoginProfile& standard) {
    LoginProfile out;
    out.scopes = entry.given("scopes") ? read_scopes(entry, "scopes") : standard.scopes;
    out.prompt = entry.given("prompt") ? to_prompt(entry.text("prompt")) : standard.prompt;
    check_prompt(entry, "prompt", out);
    out.permissions = read_permissions(entry);
    out.guild_id = entry.id("guild_id");
    if (entry.given("disable_guild_select"))
        out.disable_guild_select = entry.boolean("disable_guild_select");
    if (entry.given("integration_type"))
        out.integration_type = static_cast<int>(entry.count("integration_type"));
    read_extra_params(entry, out);
    if (entry.filled("permissions") && !has(out, "bot"))
        entry.warning("permissions", "means nothing without the scope bot");
    return out;
}

void read_profiles(Values& values, Settings& settings) {
    const Node* const node = values.node("login.profiles");
    if (!node) return;
    if (node->kind != Node::Kind::map)
        return values.error("login.profiles", "must be a mapping from names to mappings");
    const auto* const row = find_setting(settings_table(), "login.profiles");
    for (std::size_t i = 0; i < node->fields.size(); ++i) {
        const auto& [name, value] = node->fields[i];
        const auto& at = node->field_places[i];
        const bool good = !name.empty() && name.size() <= 64 &&
                          std::all_of(name.begin(), name.end(),
                                      [](char c) { return is_alnum(c) || c == '-' || c == '_'; });
        if (!good) {
            values.problems().error(
                at, "login.profiles",
                in_quotes(name) + " is not a name; use letters, digits, - and _");
            continue;
        }
        const auto key = "login.profiles." + name;
        if (value.kind != Node::Kind::map && value.kind != Node::Kind::null) {
            values.problems().error(at, key, "must be a mapping");
            continue;
        }
        Values entry(row->fields, key + ".", at, values.problems());
        entry.take_map(value);
        settings.login.profiles[name] = read_profile(entry, settings.login.standard);
    }
}

void read_auto_join(Values& values, Settings& settings) {
    const Node* const node = values.node("login.auto_join");
    if (!node) return;
    if (node->kind != Node::Kind::list)
        return values.error("login.auto_join", "must be a list of mappings {guild, roles, nick}");
    const auto* const row = find_setting(settings_table(), "login.auto_join");
    for (std::size_t i = 0; i < node->items.size(); ++i) {
        const Node& item = node->items[i];
        const auto name = "login.auto_join[" + std::to_string(i) + "]";
        if (item.kind != Node::Kind::map) {
            values.problems().error(item.place, name, "must be a mapping {guild, roles, nick}");
            continue;
        }
        Values entry(row->fields, name + ".", item.place, values.problems());
        entry.take_map(item);
        AutoJoin join;
        join.guild = entry.id("guild").value_or(Snowflake());
        join.roles = entry.ids("roles");
        join.nick = entry.text("nick");
        if (join.nick.size() > 32 * 4) entry.error("nick", "is longer than 32 characters");
        settings.login.auto_join.push_back(std::move(join));
    }
    if (settings.login.auto_join.empty()) return;
    if (settings.discord.bot_token.empty() && !values.problems().has_error("discord.bot_token"))
        values.error("login.auto_join", "needs discord.bot_token: only a bot can add members");
    if (!has(settings.login.standard, "guilds.join"))
        values.error("login.auto_join", "needs the scope guilds.join in login.scopes");
}

void read_redirect_hosts(Values& values, Settings& settings) {
    for (const auto& item : values.list("login.allowed_redirect_hosts")) {
        std::string_view host = item.text;
        const bool whole_domain = host.starts_with('.');
        if (whole_domain) host.remove_prefix(1);
        const auto colon = host.rfind(':');
        const auto name = host.substr(0, colon);
        const auto port = colon == host.npos ? Parsed<std::uint64_t>(std::uint64_t{443})
                                             : parse_count(host.substr(colon + 1));
        const auto* const number = std::get_if<std::uint64_t>(&port);
        std::string problem;
        if (!is_host_name(name) || !number || *number == 0 || *number > 65535) {
            problem =
                "is not a host; write app.example.com, app.example.com:8443 or .example.com, "
                "without scheme and path";
        } else if (whole_domain && name.find('.') == name.npos) {
            problem = "is every name under a top-level domain";
        }
        if (!problem.empty())
            values.problems().error(item.place, "login.allowed_redirect_hosts",
                                    in_quotes(item.text) + " " + problem);
        settings.login.allowed_redirect_hosts.push_back(lowercase(item.text));
    }
}

// What the rules ask of Discord decides which scopes a login must have; an
// operator should not have to know which.
std::string add_needed_scopes(LoginProfile& profile, const Settings& settings) {
    std::string added;
    const auto add = [&](bool needed, const char* scope) {
        if (!needed || has(profile, scope)) return;
        profile.scopes.emplace_back(scope);
        added += (added.empty() ? "" : ", ") + std::string(scope);
    };
    const bool members =
        !settings.rules.member_guilds().empty() || !settings.identity.member_guilds.empty();
    add(settings.rules.needs_guilds(), "guilds");
    add(members, "guilds.members.read");
    return added;
}

}  // namespace

void read_login(Values& values, Settings& settings) {
    auto& login = settings.login;
    login.standard.scopes = read_scopes(values, "login.scopes");
    login.standard.prompt = to_prompt(values.text("login.prompt"));
    check_prompt(values, "login.prompt", login.standard);
    read_profiles(values, settings);
    read_auto_join(values, settings);
    read_redirect_hosts(values, settings);
    const auto revoke = values.text("logout.revoke");
    settings.logout_revoke = revoke == "always"         ? LogoutRevoke::always
                             : revoke == "last_session" ? LogoutRevoke::last_session
                                                        : LogoutRevoke::never;

    const auto added = add_needed_scopes(login.standard, settings);
    if (!added.empty()) settings.shown["login.scopes"].note = "and, for rules: " + added;
    for (auto& [name, profile] : login.profiles) add_needed_scopes(profile, settings);
}

}  // namespace cordgate::config
