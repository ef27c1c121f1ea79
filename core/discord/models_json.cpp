#include "core/discord/models_json.hpp"

#include <utility>

#include "core/discord/flags.hpp"
#include "core/discord/json.hpp"
#include "core/discord/json_reader.hpp"
#include "core/timestamp.hpp"

namespace cordgate::discord {
namespace {

constexpr std::size_t max_connections = 1000;
constexpr std::size_t max_join_roles = 250;  // as in Discord's OpenAPI document
constexpr std::size_t max_nick_bytes = 32 * 4;

// One line of ASCII, so that it may stand anywhere.
std::string dump(const Json& value) {
    return value.dump(-1, ' ', true);
}

std::optional<TimePoint> time(const JsonReader& reader, const char* name) {
    const auto text = reader.any_text(name);
    return text ? parse_timestamp(*text) : std::nullopt;
}

std::vector<std::string> texts(const Json* list) {
    std::vector<std::string> found;
    if (!list || !list->is_array()) return found;
    for (const auto& item : *list) {
        if (item.is_string()) found.push_back(item.get<std::string>());
    }
    return found;
}

// --- connections --------------------------------------------------------------------

// Discord sends text, but an id that was a number once must not end the call.
std::string loose_id(const JsonReader& reader, const char* name) {
    if (auto text = reader.any_text(name)) return *std::move(text);
    const auto number = reader.any_integer(name);
    return number ? std::to_string(*number) : std::string();
}

std::optional<Integration> read_integration(const Json& value) {
    if (!value.is_object()) return std::nullopt;
    const JsonReader reader(value);
    Integration integration;
    integration.id = loose_id(reader, "id");
    integration.name = reader.any_text("name");
    integration.type = reader.any_text("type").value_or("");
    integration.enabled = reader.any_boolean("enabled");
    integration.syncing = reader.any_boolean("syncing");
    integration.role_id = reader.any_text("role_id");
    integration.expire_behavior = reader.any_integer("expire_behavior");
    integration.expire_grace_period = reader.any_integer("expire_grace_period");
    integration.synced_at = reader.any_text("synced_at");
    if (const Json* account = reader.find("account"); account && account->is_object()) {
        const JsonReader inner(*account);
        integration.account = {loose_id(inner, "id"), inner.any_text("name")};
    }
    return integration;
}

std::optional<UserConnection> read_connection(const Json& value) {
    if (!value.is_object()) return std::nullopt;
    JsonReader reader(value);
    UserConnection connection;
    connection.id = reader.required_text("id");
    connection.type = reader.required_text("type");
    connection.name = reader.text("name");
    connection.verified = reader.boolean("verified").value_or(false);
    connection.revoked = reader.boolean("revoked").value_or(false);
    connection.friend_sync = reader.any_boolean("friend_sync").value_or(false);
    connection.show_activity = reader.any_boolean("show_activity").value_or(false);
    connection.two_way_link = reader.any_boolean("two_way_link").value_or(false);
    connection.visibility = reader.any_integer("visibility").value_or(0);
    if (const Json* list = reader.find("integrations"); list && list->is_array()) {
        for (const auto& item : *list) {
            if (auto integration = read_integration(item)) {
                connection.integrations.push_back(*std::move(integration));
            }
        }
    }
    if (!reader.problem().empty()) return std::nullopt;
    return connection;
}

}  // namespace

// --- models ---------------------------------------------------------------------------

Result<UserDetails> parse_user_details(std::string_view json) {
    const auto object = parse_object_strictly(json);
    if (!object) return malformed("user: not a JSON object");
    JsonReader reader(*object);
    UserDetails user;
    user.bot = reader.boolean("bot").value_or(false);
    user.system = reader.boolean("system").value_or(false);
    user.mfa_enabled = reader.boolean("mfa_enabled");
    user.flags = reader.any_flags("flags");
    user.public_flags = reader.any_flags("public_flags");
    user.premium_type = reader.any_integer("premium_type");
    user.banner = reader.any_text("banner");
    user.accent_color = reader.any_integer("accent_color");
    if (!reader.problem().empty()) return malformed("user: bad " + reader.problem());
    return user;
}

Result<MemberDetails> parse_member_details(std::string_view json) {
    const auto object = parse_object_strictly(json);
    if (!object) return malformed("member: not a JSON object");
    JsonReader reader(*object);
    MemberDetails member;
    member.avatar = reader.any_text("avatar");
    member.joined_at = time(reader, "joined_at");
    member.premium_since = time(reader, "premium_since");
    member.timed_out_until = time(reader, "communication_disabled_until");
    member.flags = reader.any_flags("flags").value_or(0);
    member.deaf = reader.any_boolean("deaf").value_or(false);
    member.mute = reader.any_boolean("mute").value_or(false);
    if (const auto digits = reader.text("permissions")) {
        member.permissions = Permissions::parse(*digits);
        if (!member.permissions) reader.fail("permissions");
    }
    if (!reader.problem().empty()) return malformed("member: bad " + reader.problem());
    return member;
}

Result<std::vector<UserConnection>> parse_connections(std::string_view json) {
    return parse_list<UserConnection>(json, "connections", max_connections, read_connection);
}

Result<Authorization> parse_authorization(std::string_view json) {
    const auto object = parse_object_strictly(json);
    if (!object) return malformed("authorization: not a JSON object");
    JsonReader reader(*object);
    const Json* application = reader.find("application");
    const Json* scopes = reader.find("scopes");
    if (!application || !application->is_object()) return malformed("authorization: application");
    if (!scopes || !scopes->is_array()) return malformed("authorization: bad scopes");
    Authorization authorization;
    JsonReader inner(*application);
    authorization.application = inner.id("id");
    authorization.scopes = texts(scopes);
    authorization.expires_at = time(reader, "expires");
    if (const Json* user = reader.find("user")) {
        if (!user->is_object()) return malformed("authorization: bad user");
        JsonReader account(*user);
        authorization.user = account.id("id");
        if (!account.problem().empty()) return malformed("authorization: bad user");
    }
    if (!inner.problem().empty()) return malformed("authorization: bad application");
    return authorization;
}

Result<Application> parse_application(std::string_view json) {
    const auto object = parse_object_strictly(json);
    if (!object) return malformed("application: not a JSON object");
    JsonReader reader(*object);
    Application application;
    application.id = reader.id("id");
    application.name = reader.any_text("name").value_or("");
    application.verify_key = reader.any_text("verify_key").value_or("");
    application.redirect_uris = texts(reader.find("redirect_uris"));
    if (!reader.problem().empty()) return malformed("application: bad " + reader.problem());
    return application;
}

// --- documents ------------------------------------------------------------------------

Result<std::string> user_document(std::string_view json, const ImageSource& images) {
    const auto user = parse_user(json);
    if (!user) return user.error();
    const auto details = parse_user_details(json);
    if (!details) return details.error();
    Json document = *parse_object_strictly(json);
    document["display_name"] = user->display_name();
    document["tag"] = user->tag();
    document["avatar_url"] = avatar_url(*user, images.cdn_url, images.options);
    document["default_avatar_url"] = default_avatar_url(*user, images.cdn_url);
    document["avatar_animated"] = is_animated(user->avatar);
    document["created_at"] = format_timestamp(user->id.created_at());
    const auto flags = details->flags.value_or(0) | details->public_flags.value_or(0);
    document["flag_names"] = user_flag_names(flags);
    return dump(document);
}

Result<std::string> guilds_document(std::string_view json, const ImageSource& images) {
    const auto guilds = parse_guilds(json);
    if (!guilds) return guilds.error();
    Json document = *parse_strictly(json);
    if (document.is_null()) document = Json::array();
    for (std::size_t i = 0; i < guilds->size(); ++i) {
        const Guild& guild = guilds->at(i);
        const auto url = icon_url(guild, images.cdn_url, images.options);
        document[i]["icon_url"] = url.empty() ? Json() : Json(url);
        document[i]["permission_names"] = guild.permissions.names();
    }
    return dump(document);
}

Result<std::string> connections_document(std::string_view json) {
    const auto connections = parse_connections(json);
    if (!connections) return connections.error();
    Json document = *parse_strictly(json);
    if (document.is_null()) document = Json::array();
    for (std::size_t i = 0; i < connections->size(); ++i) {
        document[i]["visible"] = connections->at(i).is_visible();
    }
    return dump(document);
}

Result<std::string> member_document(std::string_view json) {
    const auto member = parse_member(json);
    if (!member) return member.error();
    const auto details = parse_member_details(json);
    if (!details) return details.error();
    Json document = *parse_object_strictly(json);
    document["flag_names"] = member_flag_names(details->flags);
    if (details->permissions) document["permission_names"] = details->permissions->names();
    return dump(document);
}

// --- joining a guild -------------------------------------------------------------------

std::string join_body(std::string_view access_token, const JoinOptions& options) {
    Json body = {
        {"access_token", access_token}
    };
    if (options.nick) body["nick"] = *options.nick;
    if (options.mute) body["mute"] = *options.mute;
    if (options.deaf) body["deaf"] = *options.deaf;
    for (const auto role : options.roles) body["roles"].push_back(role.to_string());
    return body.dump(-1, ' ', true, Json::error_handler_t::replace);
}

Result<JoinOptions> parse_join_options(std::string_view json) {
    const auto refuse = [](const std::string& what) {
        return Error{ErrorKind::bad_request, ErrorSource::client, what};
    };
    JoinOptions options;
    if (json.empty()) return options;
    const auto object = parse_object_strictly(json);
    if (!object) return refuse("not a JSON object");
    JsonReader reader(*object);
    for (const auto& [name, value] : object->items()) {
        if (name != "nick" && name != "roles" && name != "mute" && name != "deaf") {
            return refuse("only nick, roles, mute and deaf can be set");
        }
    }
    options.nick = reader.text("nick", max_nick_bytes);
    options.mute = reader.boolean("mute");
    options.deaf = reader.boolean("deaf");
    if (const Json* roles = reader.find("roles")) {
        if (!roles->is_array() || roles->size() > max_join_roles) return refuse("bad roles");
        for (const auto& role : *roles) {
            const auto id = Snowflake::parse(role.is_string() ? role.get<std::string>() : "");
            if (!id) return refuse("bad roles");
            options.roles.push_back(*id);
        }
    }
    if (!reader.problem().empty()) return refuse("bad " + reader.problem());
    return options;
}

}  // namespace cordgate::discord
