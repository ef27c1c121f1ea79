#include "core/identity_headers.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include "core/discord/json.hpp"

using namespace cordgate;
using namespace std::string_view_literals;

namespace {

constexpr std::string_view hostile = "Zo\xc3\xab\r\nX-Admin: 1\0, ;\xe2\x80\xae\xf0\x9f\x98\x80"sv;

// A visitor with everything known; each test takes away or spoils one thing.
Session full_session() {
    Session session;
    session.handle = "handle-1";
    session.grant.access_token = Secret("the-access-token");
    session.grant.scopes = {"identify", "guilds", "guilds.members.read", "email", "connections"};
    auto& user = session.identity.user;
    user.id = Snowflake(80351110224678912);
    user.username = "nelly";
    user.global_name = "Nelly B";
    user.locale = "en-US";
    user.email = "nelly+x@example.com";
    user.verified = true;
    Guild five;
    five.id = Snowflake(5);
    five.name = "Five";
    Guild six;
    six.id = Snowflake(6);
    six.name = "Six";
    six.owner = true;
    six.permissions = discord::Permissions(8);
    session.identity.guilds = {five, six};
    session.identity.members[Snowflake(5)].member = Member{
        "Nick", {Snowflake(51), Snowflake(52)},
         false
    };
    session.identity.members[Snowflake(9)] = {};
    return session;
}

IdentityHeaderOptions options() {
    IdentityHeaderOptions options;
    options.cdn_url = "https://cdn.discordapp.com";
    options.scopes = {"identify", "guilds", "guilds.members.read", "email"};
    return options;
}

// The lines by name; fails on whatever an HTTP parser could read in two ways.
std::map<std::string, std::string> fields(const std::string& text) {
    std::map<std::string, std::string> fields;
    std::string_view rest = text;
    while (!rest.empty()) {
        const auto end = rest.find("\r\n");
        REQUIRE(end != std::string_view::npos);
        const auto line = rest.substr(0, end);
        rest.remove_prefix(end + 2);
        CHECK(std::all_of(line.begin(), line.end(), [](char c) { return c >= 0x20 && c < 0x7f; }));
        const auto colon = line.find(": ");
        REQUIRE(colon != std::string_view::npos);
        CHECK(line.size() > colon + 2);  // never present and empty
        CHECK(fields.emplace(line.substr(0, colon), line.substr(colon + 2)).second);
    }
    return fields;
}

std::map<std::string, std::string> render(const Session& session,
                                          const IdentityHeaderOptions& with = options()) {
    return fields(render_identity_headers(session, with));
}

}  // namespace

TEST_CASE("identity headers: everything that is known, and nothing that is not asked for") {
    const std::map<std::string, std::string> expected = {
        {"X-Discord-User-Id",           "80351110224678912"                             },
        {"X-Discord-User-Name",         "nelly"                                         },
        {"X-Discord-User-Display-Name", "Nelly%20B"                                     },
        {"X-Discord-User-Avatar",       "https://cdn.discordapp.com/embed/avatars/5.png"},
        {"X-Discord-User-Locale",       "en-US"                                         },
        {"X-Discord-User-Guilds",       "5,6"                                           },
        {"X-Discord-User-Roles",        "5/51,5/52"                                     },
        {"X-Discord-User-Scopes",       "identify guilds guilds.members.read email"     },
        {"X-Discord-Session",           "handle-1"                                      },
        {"X-Discord-User",
         R"({"id":"80351110224678912","username":"nelly","global_name":"Nelly B",)"
         R"("display_name":"Nelly B","discriminator":"0","avatar":null,)"
         R"("avatar_url":"https://cdn.discordapp.com/embed/avatars/5.png","locale":"en-US",)"
         R"("guilds":[{"id":"5","name":"Five","icon":null,"owner":false,"permissions":"0"},)"
         R"({"id":"6","name":"Six","icon":null,"owner":true,"permissions":"8"}],)"
         R"("members":{"5":{"nick":"Nick","roles":["51","52"]}}})"                      },
    };
    CHECK(render(full_session()) == expected);
}

TEST_CASE("identity headers: B19 CVE-2023-27493 no value can end its line or add a field") {
    auto session = full_session();
    auto& user = session.identity.user;
    user.username = user.discriminator = std::string(hostile);
    user.global_name = user.avatar = user.locale = user.email = std::string(hostile);
    session.handle = "h\r\nX: 1";
    session.grant.access_token = Secret("t\nX: 1");
    session.identity.guilds->at(0).name = std::string(hostile);
    session.identity.guilds->at(0).icon = std::string(hostile);
    session.identity.members[Snowflake(5)].member->nick = std::string(hostile);
    auto with = options();
    with.email = with.access_token = with.remote_user = with.x_forwarded_user =
        with.x_auth_request = true;
    with.inject = {
        {"X-Team", "{user.name} {user.locale} {session}"}
    };
    const auto headers = render(session, with);
    CHECK(headers.at("X-Discord-User-Display-Name") ==
          "Zo%C3%AB%0D%0AX-Admin%3A%201%00%2C%20%3B%E2%80%AE%F0%9F%98%80");
    CHECK(headers.at("X-Discord-User-Id") == "80351110224678912");
    CHECK(headers.count("X-Discord-Session") == 0);
    CHECK(headers.count("X-Discord-Access-Token") == 0);
    CHECK(headers.count("X-Discord-User-Email") == 0);
    CHECK(headers.count("X-Team") == 0);
    CHECK(discord::is_json(headers.at("X-Discord-User")));
}

TEST_CASE("identity headers: B22 what is not known is absent") {
    Session session;
    session.identity.user.id = Snowflake(1);
    session.identity.user.username = "a";
    const auto headers = render(session);
    for (const auto name :
         {"X-Discord-User-Locale", "X-Discord-User-Email", "X-Discord-User-Guilds",
          "X-Discord-User-Roles", "X-Discord-User-Scopes", "X-Discord-Session"}) {
        CAPTURE(name);
        CHECK(headers.count(name) == 0);
    }
    CHECK(headers.at("X-Discord-User").find("\"guilds\"") == std::string::npos);
    CHECK(headers.at("X-Discord-User").find("\"members\"") == std::string::npos);

    auto in_no_guild = full_session();
    in_no_guild.identity.guilds->clear();
    CHECK(render(in_no_guild).count("X-Discord-User-Guilds") == 0);
    CHECK(render(in_no_guild).at("X-Discord-User").find("\"guilds\":[]") != std::string::npos);
}

TEST_CASE("identity headers: a scope from an older consent tells nothing that is not configured") {
    auto with = options();
    with.scopes = {"identify"};
    with.email = true;
    const auto headers = render(full_session(), with);
    CHECK(headers.at("X-Discord-User-Scopes") == "identify");
    CHECK(headers.count("X-Discord-User-Guilds") == 0);
    CHECK(headers.count("X-Discord-User-Roles") == 0);
    CHECK(headers.count("X-Discord-User-Email") == 0);
    CHECK(headers.at("X-Discord-User").find("guilds") == std::string::npos);
}

TEST_CASE("identity headers: an e-mail only when on, verified and one address (CVE-2026-40574)") {
    struct Row {
        const char* email;
        std::optional<bool> verified;
        const char* header;  // nullptr: absent
    };
    const Row rows[] = {
        {"a+b@example.com",         true,         "a+b@example.com"            },
        {"a+b@example.com",         false,        nullptr                      },
        {"a+b@example.com",         std::nullopt, nullptr                      },
        {"a@x, b@y",                true,         nullptr                      },
        {"a@evil@corp.example",     true,         nullptr                      }, // GHSA-c5c4-8r6x-56w3
        {"\"a@evil\"@corp.example", true,         nullptr                      }, // GHSA-c5c4-8r6x-56w3
        {"a,b;c d%\"@x",            true,         "a%2Cb%3Bc%20d%25%22@x"      },
        {"\xc3\xa9@example.com",    true,         "%C3%A9@example.com"         },
        {"a\r\nX: 1@example.com",   true,         "a%0D%0AX%3A%201@example.com"},
        {"",                        true,         nullptr                      },
    };
    auto with = options();
    with.email = true;
    for (const auto& row : rows) {
        CAPTURE(row.email);
        auto session = full_session();
        session.identity.user.email = row.email;
        session.identity.user.verified = row.verified;
        const auto headers = render(session, with);
        REQUIRE(headers.count("X-Discord-User-Email") == (row.header ? 1 : 0));
        if (row.header) CHECK(headers.at("X-Discord-User-Email") == row.header);
    }
    CHECK(render(full_session()).count("X-Discord-User-Email") == 0);
}

TEST_CASE("identity headers: compatible sets and the access token are opt-in (F32)") {
    const auto plain = render(full_session());
    CHECK(plain.count("Remote-User") == 0);
    CHECK(plain.count("X-Discord-Access-Token") == 0);
    CHECK(render_identity_headers(full_session(), options()).find("the-access-token") ==
          std::string::npos);

    auto with = options();
    with.access_token = with.remote_user = with.x_forwarded_user = with.x_auth_request = true;
    const auto headers = render(full_session(), with);
    CHECK(headers.at("X-Discord-Access-Token") == "the-access-token");
    CHECK(headers.at("Remote-User") == "nelly");
    CHECK(headers.at("Remote-Name") == "Nelly%20B");
    CHECK(headers.at("X-Forwarded-User") == "80351110224678912");
    CHECK(headers.at("X-Auth-Request-Preferred-Username") == "nelly");
    // B21: ids only, so no name can forge an element of the list.
    for (const auto name : {"Remote-Groups", "X-Forwarded-Groups", "X-Auth-Request-Groups"}) {
        CHECK(headers.at(name) == "5,6,5/51,5/52");
    }
}

TEST_CASE("identity headers: a legacy account keeps its spaces and its discriminator") {
    auto session = full_session();
    session.identity.user.username = "old name";
    session.identity.user.discriminator = "1337";
    session.identity.user.global_name = std::nullopt;
    const auto headers = render(session);
    CHECK(headers.at("X-Discord-User-Name") == "old%20name");
    CHECK(headers.at("X-Discord-User-Display-Name") == "old%20name");
    CHECK(headers.at("X-Discord-User-Avatar") == "https://cdn.discordapp.com/embed/avatars/2.png");
    CHECK(headers.at("X-Discord-User").find(R"("discriminator":"1337")") != std::string::npos);
    CHECK(headers.at("X-Discord-User").find(R"("global_name":null)") != std::string::npos);
}

TEST_CASE("X-Discord-User: B20 it shrinks in steps, and the guilds of rules are kept") {
    auto session = full_session();
    session.identity.guilds->clear();
    for (std::uint64_t i = 0; i < 200; ++i) {
        Guild guild;
        guild.id = Snowflake(1000000000000000000 + i);
        for (int n = 0; n < 100; ++n) guild.name += "\xf0\x9f\x98\x80";
        guild.permissions = discord::Permissions(UINT64_MAX);
        session.identity.guilds->push_back(guild);
    }
    auto with = options();
    with.guilds_first = {Snowflake(1000000000000000199), Snowflake(42)};

    struct Row {
        std::size_t limit;
        bool names, rights, all, members;
    };
    const Row rows[] = {
        {1 << 20,   true,  true,  true,  true},
        {64 * 1024, false, true,  true,  true},
        {6 * 1024,  false, false, true,  true},
        {4 * 1024,  false, false, false, true},
        {500,       false, false, false, true},
    };
    for (const auto& row : rows) {
        CAPTURE(row.limit);
        with.user_json_bytes = row.limit;
        const std::string json = user_header_json(session, with);
        const auto has = [&](std::string_view text) { return json.find(text) != json.npos; };
        CHECK(json.size() <= row.limit);
        CHECK(discord::is_json(json));
        CHECK(has("\"name\":") == row.names);
        CHECK(has("\"owner\":") == row.rights);
        CHECK(has("1000000000000000198") == row.all);
        CHECK(has("\"guilds_truncated\":true") == !row.all);
        CHECK(has("\"members\":{\"5\"") == row.members);
        CHECK(has("[{\"id\":\"1000000000000000199\""));
        CHECK(render(session, with).at("X-Discord-User") == json);
    }
    CHECK(render(session, with).at("X-Discord-User-Guilds").size() == 200 * 20 - 1);
}

TEST_CASE("X-Discord-User: too many roles give way before identity does; nothing is cut inside") {
    auto session = full_session();
    for (std::uint64_t role = 0; role < 2000; ++role) {
        session.identity.members[Snowflake(5)].member->roles.push_back(Snowflake(1000 + role));
    }
    const std::string json = user_header_json(session, options());
    CHECK(json.size() <= options().user_json_bytes);
    CHECK(json.find("\"members\":") == std::string::npos);
    CHECK(json.find("\"members_truncated\":true") != std::string::npos);
    CHECK(json.find("\"id\":\"6\"") != std::string::npos);
    CHECK(discord::is_json(json));

    // B20: a list of roles is whole or absent, never the start of one.
    CHECK(render(session).count("X-Discord-User-Roles") == 1);
    session.identity.members[Snowflake(5)].member->roles.resize(8000);
    CHECK(render(session).count("X-Discord-User-Roles") == 0);
    CHECK(render(session).at("X-Discord-User-Guilds") == "5,6");

    auto tiny = options();
    tiny.user_json_bytes = 10;
    CHECK(render(session, tiny).count("X-Discord-User") == 0);
    CHECK(render(session, tiny).count("X-Discord-User-Id") == 1);
    auto off = options();
    off.user_json = false;
    CHECK(render(session, off).count("X-Discord-User") == 0);
}

TEST_CASE("inject: placeholders are replaced, and an unknown value leaves the header out") {
    struct Row {
        const char* text;
        const char* value;  // nullptr: absent
    };
    const Row rows[] = {
        {"{user.id}",                  "80351110224678912"           },
        {"id={user.id};n={user.name}", "id=80351110224678912;n=nelly"},
        {"{user.display_name}",        "Nelly%20B"                   },
        {"{user.locale}",              nullptr                       },
        {"x {user.locale}",            nullptr                       },
        {"{user.guilds}|{user.roles}", "5,6|5/51,5/52"               },
        {"{{user.id}",                 "{user.id}"                   },
        {"{{{session}}",               "{handle-1}"                  },
        {"constant",                   "constant"                    },
    };
    auto session = full_session();
    session.identity.user.locale = std::nullopt;
    for (const auto& row : rows) {
        CAPTURE(row.text);
        CHECK_FALSE(inject_template_problem(row.text));
        auto with = options();
        with.inject = {
            {"X-Team", row.text}
        };
        const auto headers = render(session, with);
        REQUIRE(headers.count("X-Team") == (row.value ? 1 : 0));
        if (row.value) CHECK(headers.at("X-Team") == row.value);
    }
    for (const auto text :
         {"", "{user.secret}", "{", "{user.id", "{}", "a\r\nb", "{ user.id}", "\xc3\xa9"}) {
        CAPTURE(text);
        CHECK(inject_template_problem(text));
    }
    for (const auto name : inject_placeholders()) {
        CHECK_FALSE(inject_template_problem("{" + std::string(name) + "}"));
    }
}

TEST_CASE("public profile: the visitor's own data, guilds only with the scope") {
    const std::string profile = public_profile_json(full_session(), options());
    CHECK(discord::is_json(profile));
    CHECK(profile.find(R"("scopes":["identify","guilds","guilds.members.read","email"])") !=
          std::string::npos);
    CHECK(profile.find(R"("permission_names":["ADMINISTRATOR"])") != std::string::npos);
    CHECK(profile.find("token") == std::string::npos);

    auto session = full_session();
    session.identity.guilds = std::nullopt;
    CHECK(public_profile_json(session, options()).find("\"guilds\":") == std::string::npos);
    CHECK(public_guilds_json(session, options()) == "null");
}
