#include "core/rule.hpp"

#include <algorithm>

#include "core/url.hpp"

namespace cordgate {
namespace {

// "*" in a parsed segment; an escaped star stays a star. NUL cannot be in a path.
constexpr char any_bytes = '\0';
constexpr std::string_view any_segments("\0\0", 2);

bool is_control(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
}

bool is_refused_in_pattern(char c) {
    return is_control(c) || c == '\\' || c == '?' || c == '#';
}

std::optional<std::string> parse_segment(std::string_view text) {
    if (text == "**") return std::string(any_segments);
    if (text.empty() || text.find("**") != std::string_view::npos) return std::nullopt;
    std::string segment;
    while (true) {
        const auto star = text.find('*');
        const auto literal = percent_decode(text.substr(0, star));
        if (!literal) return std::nullopt;
        if (std::any_of(literal->begin(), literal->end(), is_control)) return std::nullopt;
        segment += *literal;
        if (star == std::string_view::npos) break;
        segment += any_bytes;
        text.remove_prefix(star + 1);
    }
    if (segment == "." || segment == ".." || !is_valid_utf8(segment)) return std::nullopt;
    return segment;
}

// Whether `text` matches `pattern`, where the elements that `is_star` names
// stand for any number of others. After a mismatch only the last star can help
// (all else matches one to one), so this needs no memory and no recursion.
template <class Pattern, class Text, class IsStar, class Same>
bool matches_stars(const Pattern& pattern, const Text& text, std::size_t text_size, IsStar is_star,
                   Same same) {
    constexpr auto none = static_cast<std::size_t>(-1);
    std::size_t p = 0;
    std::size_t t = 0;
    std::size_t star = none;
    std::size_t resume = 0;
    while (t < text_size) {
        if (p < pattern.size() && is_star(pattern[p])) {
            star = p++;
            resume = t;
        } else if (p < pattern.size() && same(pattern[p], text[t])) {
            ++p;
            ++t;
        } else if (star != none) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && is_star(pattern[p])) ++p;
    return p == pattern.size();
}

bool segment_matches(const std::string& pattern, std::string_view segment) {
    return matches_stars(
        pattern, segment, segment.size(), [](char c) { return c == any_bytes; },
        [](char a, char b) { return a == b; });
}

Truth truth(bool value) {
    return value ? Truth::yes : Truth::no;
}

Truth opposite(Truth value) {
    if (value == Truth::unknown) return value;
    return truth(value == Truth::no);
}

template <class Values, class Judge>
Truth any_of(const Values& values, Judge judge_one) {
    Truth best = Truth::no;
    for (const auto& value : values) {
        best = std::max(best, judge_one(value));
        if (best == Truth::yes) break;
    }
    return best;
}

template <class Values, class Judge>
Truth all_of(const Values& values, Judge judge_one) {
    Truth worst = Truth::yes;
    for (const auto& value : values) {
        worst = std::min(worst, judge_one(value));
        if (worst == Truth::no) break;
    }
    return worst;
}

bool contains(const std::vector<Snowflake>& ids, Snowflake id) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
}

// The list of guilds and the membership say the same at different times: what Discord
// said last decides.
Truth is_in_guild(const Identity& identity, Snowflake guild) {
    const auto* const known = identity.find_membership(guild);
    const bool is_newer = known && (!identity.guilds || known->at > identity.guilds_at);
    if (is_newer) return truth(known->member.has_value());
    if (!identity.guilds) return Truth::unknown;
    const bool was_member = known && known->member && !identity.list_lacks(guild);
    return truth(was_member || identity.find_guild(guild));
}

// A member object that is older than a list without the guild belongs to
// somebody who was kicked since. The role with the guild's own id is @everyone.
Truth has_role(const Identity& identity, Snowflake guild, const std::vector<Snowflake>& roles) {
    const bool listed = identity.find_guild(guild) != nullptr;
    const auto* const known = identity.find_membership(guild);
    if (!known) return identity.guilds && !listed ? Truth::no : Truth::unknown;
    if (!known->member) return Truth::no;
    if (identity.list_lacks(guild) && identity.guilds_at > known->at) return Truth::no;
    const auto& held = known->member->roles;
    const auto wanted = [&](Snowflake id) { return contains(roles, id); };
    return truth(wanted(guild) || std::any_of(held.begin(), held.end(), wanted));
}

// Only the list of guilds tells owners and permissions; who is no member has none.
template <class Judge>
Truth in_listed_guild(const Identity& identity, Snowflake id, Judge judge_guild) {
    if (is_in_guild(identity, id) == Truth::no) return Truth::no;
    const Guild* const guild = identity.find_guild(id);
    if (!guild) return Truth::unknown;
    return truth(judge_guild(*guild));
}

bool holds_permissions(const Guild& guild, std::uint64_t wanted) {
    return guild.owner || guild.permissions.contains(discord::administrator) ||
           guild.permissions.contains(wanted);
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
    std::string text;
    for (const auto& part : parts) {
        if (!text.empty()) text += separator;
        text += part;
    }
    return text;
}

// "role 5", "one of the roles 5, 6".
std::string name_ids(const char* what, const std::vector<Snowflake>& ids) {
    std::vector<std::string> texts;
    for (const auto id : ids) texts.push_back(id.to_string());
    const bool one = ids.size() == 1;
    return (one ? "" : "one of the ") + std::string(what) + (one ? " " : "s ") + join(texts, ", ");
}

// As name_ids; with the name of a guild that the visitor is in, who knows it by that.
std::string name_guilds(const std::vector<Snowflake>& ids, const Identity* who) {
    const auto* const guild = who && ids.size() == 1 ? who->find_guild(ids.front()) : nullptr;
    if (!guild || guild->name.empty()) return name_ids("guild", ids);
    return "the guild " + guild->name + " (" + guild->id.to_string() + ")";
}

std::string name_permissions(std::uint64_t bits) {
    const auto names = discord::Permissions(bits).names();
    return join({names.begin(), names.end()}, ", ");
}

void collect_guilds(const Requirement& requirement, std::vector<Snowflake>& named,
                    std::set<Snowflake>& members, bool& needs_guilds) {
    using Kind = Requirement::Kind;
    const auto name = [&](Snowflake id) {
        if (!contains(named, id)) named.push_back(id);
    };
    switch (requirement.kind) {
        case Kind::user: return;
        case Kind::guild:
            std::for_each(requirement.ids.begin(), requirement.ids.end(), name);
            needs_guilds = true;
            return;
        case Kind::role:
            members.insert(requirement.guilds.begin(), requirement.guilds.end());
            [[fallthrough]];
        case Kind::owner:
        case Kind::permission:
            std::for_each(requirement.guilds.begin(), requirement.guilds.end(), name);
            needs_guilds = true;
            return;
        case Kind::any:
        case Kind::all:
        case Kind::negate: break;
    }
    for (const auto& part : requirement.parts) collect_guilds(part, named, members, needs_guilds);
}

bool covers_method(const Rule& rule, std::string_view method) {
    const auto covers = [&](const std::string& listed) {
        return listed == method || (listed == "GET" && method == "HEAD");
    };
    return rule.methods.empty() || std::any_of(rule.methods.begin(), rule.methods.end(), covers);
}

}  // namespace

std::optional<PathGlob> PathGlob::parse(std::string_view text) {
    if (text.empty() || text.front() != '/') return std::nullopt;
    if (std::any_of(text.begin(), text.end(), is_refused_in_pattern)) return std::nullopt;
    PathGlob glob;
    glob.text_ = text;
    text.remove_prefix(1);
    if (text.ends_with('/')) {
        text.remove_suffix(1);
        if (text.empty()) return std::nullopt;
    }
    while (!text.empty()) {
        const auto end = text.find('/');
        auto segment = parse_segment(text.substr(0, end));
        if (!segment) return std::nullopt;
        glob.segments_.push_back(std::move(*segment));
        if (end == std::string_view::npos) break;
        text.remove_prefix(end + 1);
        if (text.empty()) return std::nullopt;
    }
    return glob;
}

bool PathGlob::matches(const PathReading& path) const {
    const bool trailing_slash = !path.empty() && path.back().empty();
    return matches_stars(
        segments_, path, path.size() - (trailing_slash ? 1 : 0),
        [](const std::string& segment) { return segment == any_segments; }, segment_matches);
}

Truth holds(const Requirement& requirement, const Identity& identity) {
    using Kind = Requirement::Kind;
    const auto part = [&](const Requirement& inner) { return holds(inner, identity); };
    switch (requirement.kind) {
        case Kind::user: return truth(contains(requirement.ids, identity.user.id));
        case Kind::guild:
            return any_of(requirement.ids, [&](Snowflake id) { return is_in_guild(identity, id); });
        case Kind::role:
            return any_of(requirement.guilds,
                          [&](Snowflake id) { return has_role(identity, id, requirement.ids); });
        case Kind::owner:
            return any_of(requirement.guilds, [&](Snowflake id) {
                return in_listed_guild(identity, id,
                                       [](const Guild& guild) { return guild.owner; });
            });
        case Kind::permission:
            return any_of(requirement.guilds, [&](Snowflake id) {
                return in_listed_guild(identity, id, [&](const Guild& guild) {
                    return holds_permissions(guild, requirement.permissions);
                });
            });
        case Kind::any: return any_of(requirement.parts, part);
        case Kind::all: return all_of(requirement.parts, part);
        case Kind::negate: return opposite(all_of(requirement.parts, part));
    }
    return Truth::unknown;
}

namespace {

// `who` is null when nobody in particular is asked for.
std::vector<std::string> describe_for(const Requirement& requirement, const Identity* who) {
    using Kind = Requirement::Kind;
    const auto where = [&] { return " in " + name_guilds(requirement.guilds, who); };
    std::vector<std::string> inner;
    for (const auto& part : requirement.parts) {
        // Of several things, only what is not there is missing.
        const bool there = who && requirement.kind == Kind::all && holds(part, *who) == Truth::yes;
        if (there) continue;
        const auto sentences = describe_for(part, who);
        if (requirement.kind == Kind::any) {
            inner.push_back(join(sentences, " and "));
        } else {
            inner.insert(inner.end(), sentences.begin(), sentences.end());
        }
    }
    switch (requirement.kind) {
        case Kind::user: return {"an account that is on the list"};
        case Kind::guild: return {"membership in " + name_ids("guild", requirement.ids)};
        case Kind::role: return {name_ids("role", requirement.ids) + where()};
        case Kind::owner: return {"ownership of " + name_guilds(requirement.guilds, who)};
        case Kind::permission:
            return {"the permission " + name_permissions(requirement.permissions) + where()};
        case Kind::any: return {join(inner, ", or ")};
        case Kind::all: return inner;
        case Kind::negate: return {"not: " + join(inner, " and ")};
    }
    return {};
}

}  // namespace

std::string_view ungranted_scope(const Requirement& requirement, const Identity& identity,
                                 const Askable& askable) {
    using Kind = Requirement::Kind;
    if (holds(requirement, identity) != Truth::unknown) return {};
    std::string_view first;
    for (const auto& part : requirement.parts) {
        if (holds(part, identity) != Truth::unknown) continue;
        const auto scope = ungranted_scope(part, identity, askable);
        // One that can still be told may decide for any of them.
        if (scope.empty() && requirement.kind == Kind::any) return {};
        if (first.empty()) first = scope;
    }
    if (!requirement.parts.empty()) return first;
    const auto& guilds = requirement.kind == Kind::guild ? requirement.ids : requirement.guilds;
    const bool by_members = std::any_of(guilds.begin(), guilds.end(), askable.members);
    if (requirement.kind == Kind::role) return by_members ? "" : "guilds.members.read";
    // Members tell that somebody is in a guild, and nothing of owners and permissions.
    if (requirement.kind == Kind::guild && by_members) return {};
    return askable.guilds ? "" : "guilds";
}

std::vector<std::string> describe(const Requirement& requirement) {
    return describe_for(requirement, nullptr);
}

std::vector<std::string> missing(const Requirement& requirement, const Identity& who) {
    return describe_for(requirement, &who);
}

RuleSet::RuleSet(std::vector<Rule> rules) : rules_(std::move(rules)) {
    for (const auto& rule : rules_) {
        if (rule.require) {
            collect_guilds(*rule.require, named_guilds_, member_guilds_, needs_guilds_);
        }
    }
    rules_.push_back({*PathGlob::parse("/**"), {}, Access::login, std::nullopt, "default"});
}

std::size_t RuleSet::match(const PathReading& path, std::string_view method) const {
    std::size_t index = 0;
    while (index + 1 < rules_.size() &&
           !(covers_method(rules_[index], method) && rules_[index].path.matches(path))) {
        ++index;
    }
    return index;
}

Verdict judge(const Rule& rule, const Identity* identity) {
    if (rule.require) {
        if (identity == nullptr) return Verdict::login_required;
        switch (holds(*rule.require, *identity)) {
            case Truth::yes: return Verdict::allow;
            case Truth::no: return Verdict::forbidden;
            case Truth::unknown: return Verdict::unknown;
        }
    }
    switch (rule.access) {
        case Access::everyone: return Verdict::anonymous;
        case Access::optional: return identity != nullptr ? Verdict::allow : Verdict::anonymous;
        case Access::login: break;
    }
    return identity != nullptr ? Verdict::allow : Verdict::login_required;
}

std::string_view to_string(Verdict verdict) {
    switch (verdict) {
        case Verdict::anonymous: return "anonymous";
        case Verdict::allow: return "allow";
        case Verdict::login_required: return "login_required";
        case Verdict::forbidden: return "forbidden";
        case Verdict::unknown: return "unknown";
    }
    return "unknown";
}

}  // namespace cordgate
