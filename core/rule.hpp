#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/identity.hpp"
#include "core/path.hpp"

namespace cordgate {

/// A pattern for paths: "*" matches within a segment, "**" (a whole segment)
/// any number of segments. "/staff/**" covers "/staff" and "/staff/" too; a
/// trailing slash never matters. Case-sensitive, on segment borders.
class PathGlob {
public:
    /// Starts with '/'; percent-escapes are decoded; nullopt when it cannot be
    /// a pattern (no leading slash, "**" as part of a segment, a bad escape,
    /// a dot segment or an empty one inside).
    static std::optional<PathGlob> parse(std::string_view text);

    bool matches(const PathReading& path) const;
    const std::string& text() const { return text_; }

private:
    std::string text_;
    std::vector<std::string> segments_;
};

/// Three-valued answers: what Discord did not tell us is not a "no".
enum class Truth { no, unknown, yes };

/// What a rule asks of a visitor; a tree of predicates.
struct Requirement {
    enum class Kind { user, guild, role, owner, permission, any, all, negate };
    Kind kind = Kind::all;
    std::vector<Snowflake> ids;      ///< user, guild: any of these; role: any of these roles
    std::vector<Snowflake> guilds;   ///< role, owner, permission: in any of these guilds
    std::uint64_t permissions = 0;   ///< permission: all of these bits
    std::vector<Requirement> parts;  ///< any, all, negate (one part)
};

/// Whether `identity` meets `requirement`. Owners and administrators hold every
/// permission. A pending member's roles count as Discord reports them.
Truth holds(const Requirement& requirement, const Identity& identity);

/// What is asked for, as short sentences ("role 5 in guild 1234").
std::vector<std::string> describe(const Requirement& requirement);
/// The same for somebody who does not meet it: only what is not there, and guilds
/// by the name that this visitor knows.
std::vector<std::string> missing(const Requirement& requirement, const Identity& who);

/// What can be asked of Discord for a session.
struct Askable {
    bool guilds = false;                           ///< the list of guilds
    std::function<bool(Snowflake guild)> members;  ///< the visitor as a member of this guild
};
/// The scope without which Discord will never tell whether `identity` meets `requirement`,
/// by what can be asked; empty where it is known, or can be some time.
std::string_view ungranted_scope(const Requirement& requirement, const Identity& identity,
                                 const Askable& askable);

enum class Access { everyone, optional, login };

/// One entry of `rules:`; the first that matches a request decides.
struct Rule {
    PathGlob path;
    std::vector<std::string> methods;  ///< empty: all. GET covers HEAD.
    Access access = Access::login;
    std::optional<Requirement> require;
    std::string name;  ///< for logs: "rules[2] /staff/**", or "default"
};

/// The whole list, with the default behind it: login required.
class RuleSet {
public:
    RuleSet() : RuleSet(std::vector<Rule>{}) {}
    explicit RuleSet(std::vector<Rule> rules);

    /// Index of the first rule that matches; never fails (the default is last).
    std::size_t match(const PathReading& path, std::string_view method) const;
    const Rule& at(std::size_t index) const { return rules_[index]; }
    std::size_t size() const { return rules_.size(); }

    /// Guilds that any rule names, in order of first mention.
    const std::vector<Snowflake>& named_guilds() const { return named_guilds_; }
    /// Guilds whose member object some rule needs (role predicates).
    const std::set<Snowflake>& member_guilds() const { return member_guilds_; }
    bool needs_guilds() const { return needs_guilds_; }

private:
    std::vector<Rule> rules_;
    std::vector<Snowflake> named_guilds_;
    std::set<Snowflake> member_guilds_;
    bool needs_guilds_ = false;
};

enum class Verdict {
    anonymous,       ///< pass, without a name
    allow,           ///< pass, as this visitor
    login_required,  ///< not signed in and must be
    forbidden,       ///< signed in, and positively not allowed
    unknown,         ///< cannot be told now: 503, never a guess
};

/// Decides one request. `identity` is null for somebody not signed in.
Verdict judge(const Rule& rule, const Identity* identity);

std::string_view to_string(Verdict verdict);

}  // namespace cordgate
