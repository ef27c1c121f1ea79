#include <algorithm>
#include <cstddef>
#include <functional>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "core/ascii.hpp"
#include "core/discord/cdn.hpp"
#include "core/identity_headers.hpp"
#include "core/json_text.hpp"
#include "core/url.hpp"

namespace cordgate {
namespace {

// --- JSON, written by hand: few shapes, and on the way of every request -----------

class ObjectWriter {
public:
    ObjectWriter& raw(std::string_view name, std::string_view json) {
        text_ += text_.size() > 1 ? "," : "";
        text_.append(json_quote(name)).append(":").append(json);
        return *this;
    }
    ObjectWriter& text(std::string_view name, std::string_view value) {
        return raw(name, json_quote(value));
    }
    ObjectWriter& text_or_null(std::string_view name, const std::optional<std::string>& value) {
        return value ? raw(name, json_quote(*value)) : raw(name, "null");
    }
    ObjectWriter& flag(std::string_view name, bool value) {
        return raw(name, value ? "true" : "false");
    }
    std::string str() const { return text_ + "}"; }

private:
    std::string text_ = "{";
};

template <class List, class Write>
std::string json_array(const List& list, Write write) {
    std::string text = "[";
    for (const auto& item : list) {
        if (text.size() > 1) text += ",";
        text += write(item);
    }
    return text + "]";
}

enum class Detail { full, rights, ids };

std::string guild_json(const Guild& guild, Detail detail) {
    ObjectWriter object;
    object.text("id", guild.id.to_string());
    if (detail == Detail::ids) return object.str();
    if (detail == Detail::full) object.text("name", guild.name).text_or_null("icon", guild.icon);
    object.flag("owner", guild.owner).text("permissions", guild.permissions.raw());
    return object.str();
}

std::string members_json(const Identity& identity) {
    ObjectWriter members;
    for (const auto& [guild, known] : identity.members) {
        const auto& member = known.member;
        if (!member) continue;
        ObjectWriter object;
        object.text_or_null("nick", member->nick);
        object.raw("roles", json_array(member->roles, [](Snowflake role) {
                       return json_quote(role.to_string());
                   }));
        members.raw(guild.to_string(), object.str());
    }
    return members.str();
}

ObjectWriter user_json(const User& user, std::string_view cdn_url) {
    ObjectWriter object;
    object.text("id", user.id.to_string())
        .text("username", user.username)
        .text_or_null("global_name", user.global_name)
        .text("display_name", user.display_name())
        .text("discriminator", user.discriminator)
        .text_or_null("avatar", user.avatar)
        .text("avatar_url", discord::avatar_url(user, cdn_url))
        .text_or_null("locale", user.locale);
    return object;
}

// --- what may be told ------------------------------------------------------------------

// Discord may grant more than this login asked for, out of older consent; an
// application sees only what its operator configured.
bool is_told(const Session& session, const IdentityHeaderOptions& options, std::string_view scope) {
    return session.has_scope(scope) &&
           std::find(options.scopes.begin(), options.scopes.end(), scope) != options.scopes.end();
}

std::string told_scopes(const Session& session, const IdentityHeaderOptions& options,
                        std::string_view separator,
                        const std::function<std::string(std::string_view)>& write) {
    std::string text;
    for (const auto& scope : session.grant.scopes) {
        if (!is_told(session, options, scope)) continue;
        text.append(text.empty() ? "" : separator).append(write(scope));
    }
    return text;
}

// The guilds of the visitor, those that rules name first; null: not known.
std::optional<std::vector<const Guild*>> told_guilds(const Session& session,
                                                     const IdentityHeaderOptions& options) {
    if (!session.identity.guilds || !is_told(session, options, "guilds")) return std::nullopt;
    const std::unordered_set<Snowflake> first(options.guilds_first.begin(),
                                              options.guilds_first.end());
    std::vector<const Guild*> guilds;
    for (const auto& guild : *session.identity.guilds) guilds.push_back(&guild);
    std::stable_partition(guilds.begin(), guilds.end(),
                          [&](const Guild* guild) { return first.count(guild->id) > 0; });
    return guilds;
}

// Servers refuse heads that are too long, and half a list could be read as all
// of it: a list is whole or absent.
constexpr std::size_t max_list_bytes = 16 * 1024;

std::string whole_or_nothing(std::string list) {
    return list.size() <= max_list_bytes ? std::move(list) : std::string();
}

std::string guild_ids(const Session& session, const IdentityHeaderOptions& options) {
    std::string text;
    const auto guilds = told_guilds(session, options);
    if (!guilds) return text;
    for (const Guild* guild : *guilds) {
        text.append(text.empty() ? "" : ",").append(guild->id.to_string());
    }
    return whole_or_nothing(std::move(text));
}

// "guild/role" pairs: ids only, so that no name can forge an element.
std::string role_ids(const Session& session, const IdentityHeaderOptions& options) {
    std::string text;
    if (!is_told(session, options, "guilds.members.read")) return text;
    for (const auto& [guild, known] : session.identity.members) {
        const auto& member = known.member;
        if (!member) continue;
        for (const Snowflake role : member->roles) {
            text.append(text.empty() ? "" : ",");
            text.append(guild.to_string()).append("/").append(role.to_string());
        }
    }
    return whole_or_nothing(std::move(text));
}

// An address that Discord verified, without bytes that could make it two.
std::string email_value(const Session& session, const IdentityHeaderOptions& options) {
    const User& user = session.identity.user;
    if (!user.email || user.verified != true || !is_told(session, options, "email")) return "";
    if (std::count(user.email->begin(), user.email->end(), '@') != 1) return "";
    constexpr std::string_view plain = "@.!#$&'*+-/=?^_`{|}~";
    std::string text;
    for (const char c : *user.email) {
        const bool keep = is_alnum(c) || plain.find(c) != std::string_view::npos;
        text += keep ? std::string(1, c) : percent_encode(std::string_view(&c, 1));
    }
    return text;
}

std::string joined(std::string first, const std::string& second) {
    if (first.empty() || second.empty()) return first + second;
    return first + "," + second;
}

// --- headers.inject -------------------------------------------------------------------------

struct Placeholder {
    std::string_view name;
    std::string (*value)(const Session&, const IdentityHeaderOptions&);
};

// Each value is encoded as in the header that carries it; empty: not known.
constexpr Placeholder placeholders[] = {
    {"user.id",
     [](const Session& s,                                            const IdentityHeaderOptions&) { return s.identity.user.id.to_string(); }},
    {"user.name",
     [](const Session& s,                                            const IdentityHeaderOptions&) {
         return percent_encode(s.identity.user.username);
     }                                                                                                              },
    {"user.display_name",
     [](const Session& s,                                            const IdentityHeaderOptions&) {
         return percent_encode(s.identity.user.display_name());
     }                                                                                                              },
    {"user.avatar",
     [](const Session& s,                                            const IdentityHeaderOptions& o) {
         return discord::avatar_url(s.identity.user, o.cdn_url);
     }                                                                                                              },
    {"user.locale",
     [](const Session& s,                                            const IdentityHeaderOptions&) {
         return percent_encode(s.identity.user.locale.value_or(""));
     }                                                                                                              },
    {"user.guilds",                                       guild_ids},
    {"user.roles",                                           role_ids         },
    {"session", [](const Session& s,          const IdentityHeaderOptions&) { return s.handle; }                                                                        },
};

const Placeholder* find_placeholder(std::string_view name) {
    const auto it = std::find_if(std::begin(placeholders), std::end(placeholders),
                                 [&](const Placeholder& each) { return each.name == name; });
    return it == std::end(placeholders) ? nullptr : it;
}

// Walks a template: `literal` for each piece of text, `placeholder` for each
// name in braces. "{{" is a brace. Returns what is wrong, if anything.
template <class Literal, class Named>
std::optional<std::string> walk(std::string_view text, Literal literal, Named named) {
    while (!text.empty()) {
        const auto open = std::min(text.find('{'), text.size());
        if (open > 0) literal(text.substr(0, open));
        text.remove_prefix(open);
        if (text.empty()) break;
        if (text.substr(0, 2) == "{{") {
            literal(text.substr(0, 1));
            text.remove_prefix(2);
            continue;
        }
        const auto close = text.find('}');
        if (close == std::string_view::npos) return "a '{' without '}'; write \"{{\" for a brace";
        const auto name = text.substr(1, close - 1);
        const Placeholder* const placeholder = find_placeholder(name);
        if (!placeholder) return "unknown placeholder {" + std::string(name) + "}";
        named(*placeholder);
        text.remove_prefix(close + 1);
    }
    return std::nullopt;
}

// Empty when a placeholder's value is not known.
std::string render_template(std::string_view text, const Session& session,
                            const IdentityHeaderOptions& options) {
    std::string out;
    bool known = true;
    const auto problem = walk(
        text, [&](std::string_view piece) { out += piece; },
        [&](const Placeholder& placeholder) {
            const std::string value = placeholder.value(session, options);
            if (value.empty()) known = false;
            out += value;
        });
    return known && !problem ? out : std::string();
}

// --- lines -----------------------------------------------------------------------------------

bool is_field_value(std::string_view value) {
    return !value.empty() &&
           std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

/// Field lines. The last fence: a value that is empty or is not printable ASCII
/// is left out, whatever it came from.
class Lines {
public:
    void add(std::string_view name, std::string_view value) {
        if (is_field_value(value)) text_.append(name).append(": ").append(value).append("\r\n");
    }
    std::string str() && { return std::move(text_); }

private:
    std::string text_;
};

}  // namespace

const std::vector<std::string_view>& inject_placeholders() {
    static const auto names = [] {
        std::vector<std::string_view> list;
        for (const auto& placeholder : placeholders) list.push_back(placeholder.name);
        return list;
    }();
    return names;
}

std::optional<std::string> inject_template_problem(std::string_view text) {
    if (text.empty()) return "is empty";
    if (!is_field_value(text)) return "holds a character other than printable ASCII";
    return walk(
        text, [](std::string_view) {}, [](const Placeholder&) {});
}

std::string render_identity_headers(const Session& session, const IdentityHeaderOptions& options) {
    const User& user = session.identity.user;
    const std::string id = user.id.to_string();
    const std::string name = percent_encode(user.username);
    const std::string display_name = percent_encode(user.display_name());
    const std::string guilds = guild_ids(session, options);
    const std::string roles = role_ids(session, options);
    const std::string groups = joined(guilds, roles);

    Lines lines;
    if (options.user_json) {
        const std::string json = user_header_json(session, options);
        if (json.size() <= options.user_json_bytes) lines.add("X-Discord-User", json);
    }
    lines.add("X-Discord-User-Id", id);
    lines.add("X-Discord-User-Name", name);
    lines.add("X-Discord-User-Display-Name", display_name);
    lines.add("X-Discord-User-Avatar", discord::avatar_url(user, options.cdn_url));
    lines.add("X-Discord-User-Locale", percent_encode(user.locale.value_or("")));
    if (options.email) lines.add("X-Discord-User-Email", email_value(session, options));
    lines.add("X-Discord-User-Guilds", guilds);
    lines.add("X-Discord-User-Roles", roles);
    lines.add("X-Discord-User-Scopes",
              told_scopes(session, options, " ",
                          [](std::string_view scope) { return percent_encode(scope); }));
    lines.add("X-Discord-Session", session.handle);
    if (options.access_token) {
        lines.add("X-Discord-Access-Token", session.grant.access_token.reveal());
    }
    if (options.remote_user) {
        lines.add("Remote-User", name);
        lines.add("Remote-Name", display_name);
        lines.add("Remote-Groups", groups);
    }
    if (options.x_forwarded_user) {
        lines.add("X-Forwarded-User", id);
        lines.add("X-Forwarded-Preferred-Username", name);
        lines.add("X-Forwarded-Groups", groups);
    }
    if (options.x_auth_request) {
        lines.add("X-Auth-Request-User", id);
        lines.add("X-Auth-Request-Preferred-Username", name);
        lines.add("X-Auth-Request-Groups", groups);
    }
    for (const auto& [field, text] : options.inject) {
        lines.add(field, render_template(text, session, options));
    }
    return std::move(lines).str();
}

std::string user_header_json(const Session& session, const IdentityHeaderOptions& options) {
    const User& user = session.identity.user;
    const auto guilds = told_guilds(session, options);
    const bool tells_members = is_told(session, options, "guilds.members.read");
    const std::string members = tells_members ? members_json(session.identity) : std::string();

    const auto write = [&](const std::vector<std::string>& list, bool cut, bool with_members) {
        ObjectWriter object = user_json(user, options.cdn_url);
        if (guilds) object.raw("guilds", json_array(list, [](const auto& each) { return each; }));
        if (tells_members && with_members) object.raw("members", members);
        if (tells_members && !with_members) object.flag("members_truncated", true);
        if (cut) object.flag("guilds_truncated", true);
        return object.str();
    };
    const auto write_guilds = [&](Detail detail) {
        std::vector<std::string> list;
        if (!guilds) return list;
        for (const Guild* guild : *guilds) list.push_back(guild_json(*guild, detail));
        return list;
    };

    for (const Detail detail : {Detail::full, Detail::rights, Detail::ids}) {
        std::string json = write(write_guilds(detail), false, true);
        if (json.size() <= options.user_json_bytes) return json;
    }

    // Cut: as many ids as fit behind what comes first; members give way last.
    std::vector<std::string> ids = write_guilds(Detail::ids);
    for (const bool with_members : {true, false}) {
        const std::size_t fixed = write({}, true, with_members).size();
        if (fixed > options.user_json_bytes && with_members && tells_members) continue;
        std::size_t room = options.user_json_bytes - std::min(fixed, options.user_json_bytes);
        std::size_t kept = 0;
        while (kept < ids.size() && ids[kept].size() + 1 <= room) room -= ids[kept++].size() + 1;
        const bool cut = kept < ids.size();
        ids.resize(kept);
        return write(ids, cut, with_members);
    }
    return write({}, true, false);
}

std::string public_profile_json(const Session& session, const IdentityHeaderOptions& options) {
    ObjectWriter object = user_json(session.identity.user, options.cdn_url);
    object.raw("scopes", "[" + told_scopes(session, options, ",", json_quote) + "]");
    if (told_guilds(session, options)) object.raw("guilds", public_guilds_json(session, options));
    return object.str();
}

std::string public_guilds_json(const Session& session, const IdentityHeaderOptions& options) {
    const auto guilds = told_guilds(session, options);
    if (!guilds) return "null";
    return json_array(*guilds, [&](const Guild* guild) {
        const std::string icon = discord::icon_url(*guild, options.cdn_url);
        ObjectWriter object;
        object.text("id", guild->id.to_string())
            .text("name", guild->name)
            .text_or_null("icon", guild->icon)
            .raw("icon_url", icon.empty() ? "null" : json_quote(icon))
            .flag("owner", guild->owner)
            .text("permissions", guild->permissions.raw())
            .raw("permission_names", json_array(guild->permissions.names(), json_quote));
        return object.str();
    });
}

}  // namespace cordgate
