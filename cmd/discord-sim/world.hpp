#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/snowflake.hpp"

namespace cordgate::sim {

/// A Discord account that exists only in the simulator.
struct Account {
    Snowflake id{};
    std::string username{};
    std::optional<std::string> global_name{};
    std::string discriminator = "0";      ///< "0": migrated to unique names, else four digits
    std::optional<std::string> avatar{};  ///< 32 hex digits, with "a_" before them when animated
    std::optional<std::string> email{};   ///< none: a phone-only account
    bool verified = true;
    std::string locale = "en-US";
    bool mfa_enabled = false;
    std::uint64_t public_flags = 0;
    int premium_type = 0;  ///< shown with identify.premium only
    bool bot = false;
    bool cannot_join = false;        ///< joining new servers is limited for this account
    std::string connections = "[]";  ///< JSON list, served as it is
    std::string extra = "{}";        ///< JSON object laid over what is served; null is kept
};

struct Role {
    Snowflake id{};
    std::string name{};
    std::uint64_t permissions = 0;
    int position = 1;
};

struct Guild {
    Snowflake id{};
    std::string name{};
    std::optional<std::string> icon{};
    Snowflake owner{};
    std::vector<Role> roles{};                       ///< without @everyone
    std::uint64_t everyone = 0x0000000006400C40ULL;  ///< permissions of @everyone
    std::vector<std::string> features{};
    bool has_bot = true;  ///< the application's bot is a member
    std::uint64_t bot_permissions = ~0ULL;
    int bot_position = 1000000;  ///< of the bot's highest role
    std::string extra = "{}";
};

/// How one account belongs to one guild.
struct Membership {
    std::vector<Snowflake> roles{};
    std::optional<std::string> nick{};
    std::optional<std::string> avatar{};
    std::string joined_at = "2024-03-01T12:00:00.000000+00:00";
    std::optional<std::string> premium_since{};
    std::optional<std::string> timed_out_until{};
    bool pending = false;
    bool mute = false;
    bool deaf = false;
    int flags = 0;
    std::string extra = "{}";
};

/// Who exists and who is where. Every call is safe from any thread and sees one
/// consistent moment; answers are copies.
class World {
public:
    World() = default;
    World(const World& other);
    World& operator=(const World& other);

    /// Adds, or replaces by id.
    World& add_user(Account account);
    World& add_guild(Guild guild);
    /// Makes or replaces the membership; the user and the guild need not exist yet.
    World& join(Snowflake user, Snowflake guild, Membership membership = {});
    /// Nothing happens when the user was not a member.
    void kick(Snowflake user, Snowflake guild);
    /// Kicks, and keeps `guilds.join` from bringing the user back.
    void ban(Snowflake user, Snowflake guild);
    void unban(Snowflake user, Snowflake guild);
    bool is_banned(Snowflake user, Snowflake guild) const;
    /// Gives or takes one role; nothing happens when the user is not a member.
    void set_role(Snowflake user, Snowflake guild, Snowflake role, bool given);
    void set_roles(Snowflake user, Snowflake guild, std::vector<Snowflake> roles);
    void remove_user(Snowflake user);
    void remove_guild(Snowflake guild);
    /// Edits an account or a guild in place; false when there is none.
    bool change_user(Snowflake user, const std::function<void(Account&)>& edit);
    bool change_guild(Snowflake guild, const std::function<void(Guild&)>& edit);

    std::vector<Account> users() const;  ///< in the order they were added
    std::vector<Guild> guilds() const;   ///< by id, ascending
    std::optional<Account> user(Snowflake id) const;
    std::optional<Guild> guild(Snowflake id) const;
    std::optional<Membership> member(Snowflake user, Snowflake guild) const;
    /// By guild id, ascending, as Discord lists them.
    std::vector<std::pair<Guild, Membership>> guilds_of(Snowflake user) const;
    /// Who of the users is in the guild, by id, ascending.
    std::vector<std::pair<Account, Membership>> members_of(Snowflake guild) const;
    std::size_t member_count(Snowflake guild) const;

private:
    mutable std::mutex mutex_;
    std::vector<Account> users_;
    std::map<Snowflake, Guild> guilds_;
    std::map<std::pair<Snowflake, Snowflake>, Membership> members_;  ///< by guild, user
    std::map<std::pair<Snowflake, Snowflake>, bool> banned_;
};

/// Base permissions of a member: everything for the owner and for
/// administrators, else @everyone's and the roles' together.
std::uint64_t permissions_of(const Guild& guild, Snowflake user, const Membership& membership);

/// Reads {"users": [...], "guilds": [...]} into `world`, as docs/simulator.md
/// describes it. Throws std::invalid_argument with what is wrong.
void load_world(World& world, std::string_view json);

}  // namespace cordgate::sim
