#include "cmd/discord-sim/world.hpp"

#include <algorithm>

namespace cordgate::sim {
namespace {

constexpr std::uint64_t administrator_bit = 1ULL << 3;
constexpr std::uint64_t all_permissions = ((1ULL << 53) - 1) & ~(1ULL << 47);

}  // namespace

World::World(const World& other) {
    *this = other;
}

World& World::operator=(const World& other) {
    if (this == &other) return *this;
    const std::scoped_lock lock(mutex_, other.mutex_);
    users_ = other.users_;
    guilds_ = other.guilds_;
    members_ = other.members_;
    banned_ = other.banned_;
    return *this;
}

World& World::add_user(Account account) {
    const std::scoped_lock lock(mutex_);
    const auto same = [&](const Account& known) { return known.id == account.id; };
    const auto found = std::find_if(users_.begin(), users_.end(), same);
    if (found == users_.end()) {
        users_.push_back(std::move(account));
    } else {
        *found = std::move(account);
    }
    return *this;
}

World& World::add_guild(Guild guild) {
    const std::scoped_lock lock(mutex_);
    const auto id = guild.id;
    guilds_[id] = std::move(guild);
    return *this;
}

World& World::join(Snowflake user, Snowflake guild, Membership membership) {
    const std::scoped_lock lock(mutex_);
    members_[{guild, user}] = std::move(membership);
    return *this;
}

void World::kick(Snowflake user, Snowflake guild) {
    const std::scoped_lock lock(mutex_);
    members_.erase({guild, user});
}

void World::ban(Snowflake user, Snowflake guild) {
    const std::scoped_lock lock(mutex_);
    members_.erase({guild, user});
    banned_[{guild, user}] = true;
}

void World::unban(Snowflake user, Snowflake guild) {
    const std::scoped_lock lock(mutex_);
    banned_.erase({guild, user});
}

bool World::is_banned(Snowflake user, Snowflake guild) const {
    const std::scoped_lock lock(mutex_);
    return banned_.contains({guild, user});
}

void World::set_role(Snowflake user, Snowflake guild, Snowflake role, bool given) {
    const std::scoped_lock lock(mutex_);
    const auto found = members_.find({guild, user});
    if (found == members_.end()) return;
    auto& roles = found->second.roles;
    roles.erase(std::remove(roles.begin(), roles.end(), role), roles.end());
    if (given) roles.push_back(role);
}

void World::set_roles(Snowflake user, Snowflake guild, std::vector<Snowflake> roles) {
    const std::scoped_lock lock(mutex_);
    const auto found = members_.find({guild, user});
    if (found != members_.end()) found->second.roles = std::move(roles);
}

void World::remove_user(Snowflake user) {
    const std::scoped_lock lock(mutex_);
    std::erase_if(users_, [&](const Account& account) { return account.id == user; });
    std::erase_if(members_, [&](const auto& entry) { return entry.first.second == user; });
}

void World::remove_guild(Snowflake guild) {
    const std::scoped_lock lock(mutex_);
    guilds_.erase(guild);
    std::erase_if(members_, [&](const auto& entry) { return entry.first.first == guild; });
}

bool World::change_user(Snowflake user, const std::function<void(Account&)>& edit) {
    const std::scoped_lock lock(mutex_);
    for (auto& account : users_) {
        if (account.id != user) continue;
        edit(account);
        return true;
    }
    return false;
}

bool World::change_guild(Snowflake guild, const std::function<void(Guild&)>& edit) {
    const std::scoped_lock lock(mutex_);
    const auto found = guilds_.find(guild);
    if (found == guilds_.end()) return false;
    edit(found->second);
    return true;
}

std::vector<Account> World::users() const {
    const std::scoped_lock lock(mutex_);
    return users_;
}

std::vector<Guild> World::guilds() const {
    const std::scoped_lock lock(mutex_);
    std::vector<Guild> all;
    for (const auto& [id, guild] : guilds_) all.push_back(guild);
    return all;
}

std::optional<Account> World::user(Snowflake id) const {
    const std::scoped_lock lock(mutex_);
    for (const auto& account : users_) {
        if (account.id == id) return account;
    }
    return std::nullopt;
}

std::optional<Guild> World::guild(Snowflake id) const {
    const std::scoped_lock lock(mutex_);
    const auto found = guilds_.find(id);
    if (found == guilds_.end()) return std::nullopt;
    return found->second;
}

std::optional<Membership> World::member(Snowflake user, Snowflake guild) const {
    const std::scoped_lock lock(mutex_);
    const auto found = members_.find({guild, user});
    if (found == members_.end() || !guilds_.contains(guild)) return std::nullopt;
    return found->second;
}

std::vector<std::pair<Guild, Membership>> World::guilds_of(Snowflake user) const {
    const std::scoped_lock lock(mutex_);
    std::vector<std::pair<Guild, Membership>> all;
    for (const auto& [id, guild] : guilds_) {
        const auto found = members_.find({id, user});
        if (found != members_.end()) all.emplace_back(guild, found->second);
    }
    return all;
}

std::vector<std::pair<Account, Membership>> World::members_of(Snowflake guild) const {
    const std::scoped_lock lock(mutex_);
    std::vector<std::pair<Account, Membership>> all;
    for (const auto& account : users_) {
        const auto found = members_.find({guild, account.id});
        if (found != members_.end()) all.emplace_back(account, found->second);
    }
    std::sort(all.begin(), all.end(),
              [](const auto& a, const auto& b) { return a.first.id < b.first.id; });
    return all;
}

std::size_t World::member_count(Snowflake guild) const {
    const std::scoped_lock lock(mutex_);
    return static_cast<std::size_t>(
        std::count_if(members_.begin(), members_.end(),
                      [&](const auto& entry) { return entry.first.first == guild; }));
}

std::uint64_t permissions_of(const Guild& guild, Snowflake user, const Membership& membership) {
    if (guild.owner == user) return all_permissions;
    auto bits = guild.everyone;
    for (const auto& role : guild.roles) {
        const auto& mine = membership.roles;
        if (std::find(mine.begin(), mine.end(), role.id) != mine.end()) bits |= role.permissions;
    }
    return bits & administrator_bit ? all_permissions : bits;
}

}  // namespace cordgate::sim
