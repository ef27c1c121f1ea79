#include "core/discord/route.hpp"

#include <doctest/doctest.h>

using namespace cordgate::discord;

TEST_CASE(
    "quartcord Route: C13 C20 G10 paths of the API, their shape and their top-level resource") {
    struct Row {
        const char* text;
        const char* shape;
        const char* top_level;
        const char* scope;
    };
    const Row rows[] = {
        {"/users/@me",                                        "/users/@me",                  "",                    "identify"           },
        {"/users/%40me",                                      "/users/@me",                  "",                    "identify"           },
        {"/users/@me/guilds",                                 "/users/@me/guilds",           "",                    "guilds"             },
        {"/users/@me/guilds/5/member",                        "/users/@me/guilds/{}/member", "",                    "guilds.members.read"},
        {"/users/@me/connections",                            "/users/@me/connections",      "",                    "connections"        },
        {"/guilds/5/members/7",                               "/guilds/{}/members/{}",       "guilds/5",            ""                   },
        {"/channels/5/messages",                              "/channels/{}/messages",       "channels/5",          ""                   },
        {"/webhooks/5/tok-en_1/slack",                        "/webhooks/{}/{}/slack",       "webhooks/5/tok-en_1", ""                   },
        {"/applications/@me",                                 "/applications/@me",           "",                    ""                   },
        {"/guilds/templates/abc",                             "/guilds/templates/abc",       "",                    ""                   },
        {"/channels/5/messages/7/reactions/%F0%9F%98%80/@me",
         "/channels/{}/messages/{}/reactions/%F0%9F%98%80/@me",                              "channels/5",          ""                   },
    };
    for (const auto& row : rows) {
        CAPTURE(row.text);
        const auto route = Route::parse(row.text);
        REQUIRE(route);
        CHECK(route->shape() == row.shape);
        CHECK(route->top_level() == row.top_level);
        CHECK(route->required_scope() == row.scope);
    }
    CHECK(Route::parse("/users/%40me")->path() == "/users/@me");
}

TEST_CASE("quartcord Route: C20 U18 nothing leaves the API base or becomes another request") {
    for (const char* text : {"",
                             "users/@me",
                             "/",
                             "//evil.example/",
                             "/users//@me",
                             "/users/@me/",
                             "/users/../oauth2",
                             "/./users",
                             "/...",
                             "/%2e%2e/oauth2",
                             "/%2E/x",
                             "/users/%2Fx",
                             "/users/%5c",
                             "/users\\@me",
                             "/users/@me?x=1",
                             "/users/@me#x",
                             "/users/%3Fx",
                             "/users/%23",
                             "/users/@me HTTP/1.1",
                             "/users/\r\nX: 1",
                             "/users/%0d%0aX",
                             "/users/%00",
                             "/users/%",
                             "/users/%zz",
                             "/users/%ff",
                             "/users/%252e%252e",
                             "/users/\xc3\xa4",
                             "http://evil.example/",
                             "/users;x=1",
                             "/users/%3b"}) {
        CAPTURE(text);
        CHECK_FALSE(Route::parse(text));
    }
    CHECK_FALSE(Route::parse("/" + std::string(2000, 'a')));
    CHECK(is_query_text("limit=1000&after=5&q=%20"));
    for (const char* text : {"a b", "a#b", "a\r\nb", "\xc3\xa4", "a\\b"}) {
        CAPTURE(text);
        CHECK_FALSE(is_query_text(text));
    }
}
