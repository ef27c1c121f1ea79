#include "core/rule.hpp"

#include <doctest/doctest.h>

namespace cordgate {
namespace {

using Kind = Requirement::Kind;

Path parsed(std::string_view raw) {
    auto path = Path::parse(raw);
    REQUIRE(path);
    return std::move(*path);
}

PathGlob glob(std::string_view text) {
    const auto parsed = PathGlob::parse(text);
    REQUIRE(parsed);
    return *parsed;
}

constexpr Snowflake alice{10}, bob{11};
constexpr Snowflake guild{100}, other_guild{101}, unnamed_guild{102};
constexpr Snowflake staff{200}, guest{201};

Requirement user(Snowflake id) {
    return {Kind::user, {id}, {}, 0, {}};
}
template <class... Ids>
Requirement in_guild(Ids... ids) {
    return {Kind::guild, {ids...}, {}, 0, {}};
}
Requirement role(Snowflake id, Snowflake in = guild) {
    return {Kind::role, {id}, {in}, 0, {}};
}
Requirement owner(Snowflake of) {
    return {Kind::owner, {}, {of}, 0, {}};
}
Requirement permission(std::uint64_t bits) {
    return {Kind::permission, {}, {guild}, bits, {}};
}
template <class... Parts>
Requirement any(Parts... parts) {
    return {Kind::any, {}, {}, 0, {std::move(parts)...}};
}
template <class... Parts>
Requirement all(Parts... parts) {
    return {Kind::all, {}, {}, 0, {std::move(parts)...}};
}
Requirement negate(Requirement part) {
    return {Kind::negate, {}, {}, 0, {std::move(part)}};
}

constexpr std::uint64_t manage_guild = 1ULL << 5;
constexpr std::uint64_t kick_members = 1ULL << 1;

Identity visitor() {
    Identity identity;
    identity.user.id = alice;
    return identity;
}

Identity listed(std::uint64_t permissions, bool is_owner = false) {
    auto identity = visitor();
    identity.guilds = {
        {guild, "Ours", {}, is_owner, discord::Permissions(permissions)}
    };
    return identity;
}

template <class... Roles>
Identity with_roles(Identity identity, Roles... roles) {
    identity.members[guild] = {
        Member{{},     {roles...}, false},
        {     }
    };
    return identity;
}

}  // namespace

TEST_CASE("PathGlob matches whole segments and is bound at both ends, C22") {
    struct Case {
        const char* glob;
        std::string_view path;
        bool matches;
    };
    constexpr Case cases[] = {
        {"/",            "/",             true },
        {"/",            "/a",            false},
        {"/**",          "/",             true },
        {"/**",          "/a/b/c",        true },
        {"/feed",        "/feed",         true },
        {"/feed",        "/feed/",        true },
        {"/feed/",       "/feed",         true },
        {"/feed",        "/feed/x",       false},
        {"/feed",        "/FEED",         false}, // C12
        {"/staff/**",    "/staff",        true },
        {"/staff/**",    "/staff/",       true },
        {"/staff/**",    "/staff/a/b",    true },
        {"/staff/**",    "/staffroom",    false}, // C10
        {"/staff/**",    "/x/staff",      false},
        {"/staff/*",     "/staff/a",      true },
        {"/staff/*",     "/staff/a/b",    false},
        {"/staff/*",     "/staff",        false},
        {"/staff/**",    "/%73taff/a",    true }, // C8
        {"/%73taff",     "/staff",        true },
        {"/*.css",       "/site.css",     true },
        {"/*.css",       "/a/site.css",   false}, // C31
        {"/**/*.css",    "/a/b/site.css", true },
        {"/**/*.css",    "/site.css",     true },
        {"/public",      "/publicx",      false}, // C22
        {"/*.css",       "/admin/x.css",  false}, // C22
        {"/a/**/z",      "/a/z",          true },
        {"/a/**/z",      "/a/b/z/c/z",    true },
        {"/a/**/z",      "/a/b/z/c",      false},
        {"/a/**/m/**/z", "/a/m/x/m/z",    true },
        {"/a*b*c",       "/a1b2b3c",      true },
        {"/a*b*c",       "/a1b2b3",       false},
        {"/100%25",      "/100%25",       true },
        {"/a%2ab",       "/axb",          false}, // an escaped star is a star
        {"/a%2ab",       "/a*b",          true },
        {"/a%2fb",       "/a/b",          false},
        {"/caf\xc3\xa9", "/caf%c3%a9",    true },
        {"/caf\xc3\xa9", "/cafe%cc%81",   false}, // C17
    };
    for (const auto& c : cases) {
        CAPTURE(c.glob);
        CAPTURE(c.path);
        CHECK(glob(c.glob).matches(parsed(c.path).readings().front()) == c.matches);
    }
}

TEST_CASE("PathGlob::parse refuses what could never mean what was meant") {
    for (const char* text : {"",     "staff",  "*",     "/a**",      "/**a", "/***",  "/a//b",
                             "//",   "/a/./b", "/../a", "/%2e%2e/a", "/a%",  "/a%zz", "/a?b",
                             "/a#b", "/a\\b",  "/a\nb", "/a%00",     "/%ff", "/\xff"}) {
        CAPTURE(text);
        CHECK_FALSE(PathGlob::parse(text));
    }
}

TEST_CASE("PathGlob stays fast on a pattern made to be slow, C23") {
    std::string slow = "/";
    for (int i = 0; i < 60; ++i) slow += "a*";
    slow += "b";
    const std::string segment(8000, 'a');
    const PathReading path{segment};
    CHECK_FALSE(glob(slow).matches(path));
}

TEST_CASE("F22 what no scope can tell is said, what may yet be told is not given up") {
    const auto nothing = visitor();
    const auto lacks = [&](const Requirement& requirement, const Identity& who,
                           std::set<std::string_view> granted = {}) {
        const Askable askable{granted.contains("guilds"), [&](Snowflake id) {
                                  return granted.contains("guilds.members.read") && id == guild;
                              }};
        return ungranted_scope(requirement, who, askable);
    };
    constexpr std::string_view guilds = "guilds";
    constexpr std::string_view members = "guilds.members.read";
    CHECK(lacks(in_guild(guild), nothing) == guilds);
    CHECK(lacks(in_guild(guild), nothing, {guilds}).empty());
    CHECK(lacks(owner(guild), nothing, {members}) == guilds);
    CHECK(lacks(permission(kick_members), nothing, {members}) == guilds);
    CHECK(lacks(role(staff), nothing, {guilds}) == members);
    CHECK(lacks(role(staff), nothing, {members}).empty());
    CHECK(lacks(role(staff, other_guild), nothing, {members}) == members);
    CHECK(lacks(in_guild(guild), nothing, {members}).empty());
    CHECK(lacks(in_guild(other_guild, guild), nothing, {members}).empty());
    CHECK(lacks(in_guild(other_guild), nothing, {members}) == guilds);
    CHECK(lacks(negate(in_guild(guild)), nothing) == guilds);
    CHECK(lacks(all(user(alice), role(staff)), nothing) == members);
    CHECK(lacks(all(in_guild(guild), role(staff)), nothing, {guilds}) == members);
    // Only where none of several can be told is there no hope.
    CHECK(lacks(any(user(bob), role(staff)), nothing) == members);
    CHECK(lacks(any(in_guild(guild), role(staff)), nothing, {guilds}).empty());
    CHECK(lacks(any(in_guild(guild), role(staff)), nothing) == guilds);
    // What is known needs no scope.
    CHECK(lacks(user(bob), nothing).empty());
    CHECK(lacks(any(user(alice), role(staff)), nothing).empty());
    CHECK(lacks(all(user(bob), role(staff)), nothing).empty());
}

TEST_CASE("holds never turns missing knowledge into a yes or a no") {
    const auto nothing = visitor();
    const auto member = listed(kick_members);
    auto kicked = visitor();
    kicked.members[guild] = {};
    auto left_since = with_roles(listed(0), staff);
    left_since.guilds->clear();
    left_since.guilds_at = TimePoint{} + std::chrono::minutes(5);
    auto joined_since = left_since;
    joined_since.members[guild].at = TimePoint{} + std::chrono::minutes(6);
    auto pending = with_roles(listed(0), staff);
    pending.members[guild].member->pending = true;

    auto kicked_since = member;
    kicked_since.members[guild] = {std::nullopt, TimePoint{} + std::chrono::minutes(1)};
    auto listed_since = kicked_since;
    listed_since.guilds_at = TimePoint{} + std::chrono::minutes(2);

    const auto nested = all(negate(any(user(bob), role(guest))), in_guild(guild));

    const auto expect = [](const char* name, const Requirement& requirement,
                           const Identity& identity, Truth truth) {
        CAPTURE(name);
        CHECK(holds(requirement, identity) == truth);
    };
    expect("the user", user(alice), nothing, Truth::yes);
    expect("another user", user(bob), nothing, Truth::no);
    expect("in the guild", in_guild(other_guild, guild), member, Truth::yes);
    expect("in another guild", in_guild(other_guild), member, Truth::no);
    expect("guilds not known", in_guild(guild), nothing, Truth::unknown);
    expect("a member, without a list", in_guild(guild), with_roles(nothing), Truth::yes);
    expect("10004, 10007: positively no member", in_guild(guild), kicked, Truth::no);
    expect("one unknown guild among noes", in_guild(guild, other_guild), kicked, Truth::unknown);
    expect("holds the role", role(staff), with_roles(member, guest, staff), Truth::yes);
    expect("holds another role", role(staff), with_roles(member, guest), Truth::no);
    expect("roles not known", role(staff), member, Truth::unknown);
    expect("no member, so no role", role(staff, other_guild), member, Truth::no);
    expect("told not to be a member", role(staff), kicked, Truth::no);
    expect("nothing known of roles", role(staff), nothing, Truth::unknown);
    expect("G12 kicked after the roles were read", role(staff), left_since, Truth::no);
    expect("joined after the list was read", role(staff), joined_since, Truth::yes);
    expect("and so in the guild", in_guild(guild), joined_since, Truth::yes);
    expect("whose permissions nobody told", owner(guild), joined_since, Truth::unknown);
    expect("G12 kicked after the list was read", in_guild(guild), kicked_since, Truth::no);
    expect("and so without rights", permission(kick_members), kicked_since, Truth::no);
    expect("joined again, says a newer list", in_guild(guild), listed_since, Truth::yes);
    expect("pending members keep their roles", role(staff), pending, Truth::yes);
    expect("@everyone is the guild's id", role(guild), with_roles(member), Truth::yes);
    expect("owner", owner(guild), listed(0, true), Truth::yes);
    expect("not the owner", owner(guild), member, Truth::no);
    expect("owner of a guild unknown", owner(guild), nothing, Truth::unknown);
    expect("owner, but no member", owner(guild), kicked, Truth::no);
    expect("the permission", permission(kick_members), member, Truth::yes);
    expect("one permission of two", permission(kick_members | manage_guild), member, Truth::no);
    expect("owners hold all", permission(manage_guild), listed(0, true), Truth::yes);
    expect("administrators hold all", permission(manage_guild), listed(8), Truth::yes);
    expect("permissions unknown", permission(manage_guild), nothing, Truth::unknown);
    expect("any: one yes wins over unknown", any(role(staff), user(alice)), nothing, Truth::yes);
    expect("any: unknown wins over no", any(user(bob), role(staff)), nothing, Truth::unknown);
    expect("any: nothing", any(), nothing, Truth::no);
    expect("all: one no wins over unknown", all(role(staff), user(bob)), nothing, Truth::no);
    expect("all: unknown wins over yes", all(user(alice), role(staff)), nothing, Truth::unknown);
    expect("all: nothing", all(), nothing, Truth::yes);
    expect("not no", negate(user(bob)), nothing, Truth::yes);
    expect("not yes", negate(user(alice)), nothing, Truth::no);
    expect("not unknown stays unknown", negate(role(staff)), nothing, Truth::unknown);
    expect("nested", nested, with_roles(member, staff), Truth::yes);
}

TEST_CASE("judge gives names to nobody on public pages and refuses only when it knows") {
    const auto known = visitor();
    const auto rule = [](Access access, std::optional<Requirement> require = {}) {
        return Rule{glob("/**"), {}, access, std::move(require), "rule"};
    };
    const auto expect = [](const char* name, const Rule& each, const Identity* identity,
                           Verdict verdict) {
        CAPTURE(name);
        CHECK(to_string(judge(each, identity)) == to_string(verdict));
    };
    expect("public, nobody", rule(Access::everyone), nullptr, Verdict::anonymous);
    expect("public, somebody", rule(Access::everyone), &known, Verdict::anonymous);
    expect("optional, nobody", rule(Access::optional), nullptr, Verdict::anonymous);
    expect("optional, somebody", rule(Access::optional), &known, Verdict::allow);
    expect("login, nobody", rule(Access::login), nullptr, Verdict::login_required);
    expect("login, somebody", rule(Access::login), &known, Verdict::allow);
    expect("require, nobody", rule(Access::login, user(alice)), nullptr, Verdict::login_required);
    expect("require, yes", rule(Access::login, user(alice)), &known, Verdict::allow);
    expect("require, no", rule(Access::login, user(bob)), &known, Verdict::forbidden);
    expect("require, unknown", rule(Access::login, role(staff)), &known, Verdict::unknown);
    expect("require beats public", rule(Access::everyone, user(bob)), &known, Verdict::forbidden);
    expect("require beats optional", rule(Access::optional, user(bob)), &known, Verdict::forbidden);
}

TEST_CASE("RuleSet::match takes the first rule, and asks for a login after the last, C27") {
    const RuleSet rules({
        {glob("/assets/**"), {"GET"},              Access::everyone, {}, "assets"       },
        {glob("/feed"),      {},                   Access::optional, {}, "feed"         },
        {glob("/feed"),      {},                   Access::everyone, {}, "never reached"},
        {glob("/api/**"),    {"POST", "PROPFIND"}, Access::everyone, {}, "api"          },
    });
    struct Case {
        const char* method;
        std::string_view path;
        const char* rule;
    };
    constexpr Case cases[] = {
        {"GET",      "/assets/x.css", "assets" },
        {"HEAD",     "/assets/x.css", "assets" }, // C24
        {"get",      "/assets/x.css", "default"}, // C24
        {"POST",     "/assets/x.css", "default"},
        {"BREW",     "/assets/x.css", "default"}, // C24
        {"BREW",     "/feed",         "feed"   },
        {"GET",      "/feed/",        "feed"   }, // C11
        {"POST",     "/api/x",        "api"    },
        {"PROPFIND", "/api/x",        "api"    },
        {"HEAD",     "/api/x",        "default"},
        {"GET",      "/",             "default"},
    };
    for (const auto& c : cases) {
        CAPTURE(c.method);
        CAPTURE(c.path);
        CHECK(rules.at(rules.match(parsed(c.path).readings().front(), c.method)).name == c.rule);
    }
    CHECK(rules.size() == 5);
    CHECK(judge(RuleSet().at(0), nullptr) == Verdict::login_required);
}

TEST_CASE("readings that meet different rules can be told: C4, C9, C11") {
    const RuleSet rules({
        {glob("/public/**"), {}, Access::everyone, {},          "public"},
        {glob("/admin/**"),  {}, Access::login,    user(alice), "admin" },
    });
    struct Case {
        std::string_view raw;
        bool agree;
    };
    constexpr Case cases[] = {
        {"/admin/x",     true },
        {"//admin",      false},
        {"/admin;x=1",   false},
        {"/;/admin",     false},
        {"/admin.",      false},
        {"/admin%20",    false},
        {"/admin%2fx",   false},
        {"/admin%5cx",   false},
        {"/admin//x",    true },
        {"/admin/a;b",   true },
        {"/admin/a%2fb", true },
        {"/other//x",    true },
        {"/public/a//b", true },
        {"/public;x/a",  false},
    };
    for (const auto& c : cases) {
        CAPTURE(c.raw);
        const auto path = Path::parse(c.raw);
        REQUIRE(path);
        const auto first = rules.match(path->readings().front(), "GET");
        bool agree = true;
        for (const auto& each : path->readings()) {
            agree = agree && rules.match(each, "GET") == first;
        }
        CHECK(agree == c.agree);
    }
}

TEST_CASE("RuleSet collects the guilds it has to know, through every nesting") {
    const auto nested = any(user(bob), negate(all(role(staff))));
    const auto owners = all(owner(other_guild), owner(unnamed_guild));
    const RuleSet rules({
        {glob("/a"), {}, Access::login, in_guild(other_guild), "a"},
        {glob("/b"), {}, Access::login, nested,                "b"},
        {glob("/c"), {}, Access::login, owners,                "c"},
    });
    CHECK(rules.named_guilds() == std::vector<Snowflake>{other_guild, guild, unnamed_guild});
    CHECK(rules.member_guilds() == std::set<Snowflake>{guild});
    CHECK(rules.needs_guilds());

    const RuleSet users({
        {glob("/a"), {}, Access::login, any(user(bob)), "a"}
    });
    CHECK(users.named_guilds().empty());
    CHECK_FALSE(users.needs_guilds());
}

TEST_CASE("describe names what is missing, but not the accounts that have it") {
    using Lines = std::vector<std::string>;
    CHECK(describe(role(staff)) == Lines{"role 200 in guild 100"});
    CHECK(describe(user(bob)) == Lines{"an account that is on the list"});
    CHECK(describe(in_guild(guild, other_guild)) ==
          Lines{"membership in one of the guilds 100, 101"});
    CHECK(describe(permission(manage_guild)) == Lines{"the permission MANAGE_GUILD in guild 100"});
    CHECK(describe(all(owner(guild), role(staff))) ==
          Lines{"ownership of guild 100", "role 200 in guild 100"});
    CHECK(describe(any(owner(guild), role(staff))) ==
          Lines{"ownership of guild 100, or role 200 in guild 100"});
    CHECK(describe(negate(role(guest))) == Lines{"not: role 201 in guild 100"});
}

TEST_CASE("missing leaves out what the visitor has and names the guilds they know") {
    using Lines = std::vector<std::string>;
    Identity who;
    who.user.id = alice;
    who.guilds = std::vector<Guild>(1);
    who.guilds->front().id = guild;
    who.guilds->front().name = "Garden";
    who.members[guild].member = Member{};

    CHECK(missing(all(in_guild(guild), role(staff)), who) ==
          Lines{"role 200 in the guild Garden (100)"});
    CHECK(missing(owner(guild), who) == Lines{"ownership of the guild Garden (100)"});
    CHECK(missing(in_guild(other_guild), who) == Lines{"membership in guild 101"});
}

}  // namespace cordgate
