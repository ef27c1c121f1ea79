#include <doctest/doctest.h>

#include <set>
#include <stack>

#include "tests/sim/fixture.hpp"

using namespace cordgate;
using namespace cordgate::sim;

namespace {

// Whether every element is closed, in order; void elements need no end.
bool is_balanced(std::string_view html) {
    const std::set<std::string_view> empty = {"meta", "link", "input", "img"};
    std::stack<std::string> open;
    for (auto at = html.find('<'); at != std::string_view::npos; at = html.find('<', at + 1)) {
        const auto end = html.find('>', at);
        auto tag = html.substr(at + 1, end - at - 1);
        if (tag.starts_with('!')) continue;
        const bool closes = tag.starts_with('/');
        if (closes) tag.remove_prefix(1);
        tag = tag.substr(0, tag.find_first_of(" \n"));
        if (empty.contains(tag)) continue;
        if (!closes) {
            open.emplace(tag);
        } else if (open.empty() || open.top() != tag) {
            return false;
        } else {
            open.pop();
        }
    }
    return open.empty();
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the consent page can be clicked without JavaScript and names all that matters") {
    Discord discord;
    const auto page = discord.get(Discord::authorize({
        {"scope", "identify email"}
    }));
    REQUIRE(page);
    CHECK(page->status == 200);
    const auto& html = page->body;
    CHECK(is_balanced(html));
    const std::string_view parts[] = {
        "<!DOCTYPE html>",
        "<html lang=\"en\">",
        "name=\"viewport\"",
        "Discord simulator",
        "know your e-mail address",
        "name=\"decision\" value=\"authorize\">Authorize</button>",
        "name=\"decision\" value=\"cancel\">Cancel</button>",
        "<form method=\"post\"",
        "prefers-color-scheme: dark",
        "http://localhost:4180",
        "Old Timer#1337",
    };
    for (const auto part : parts) {
        CAPTURE(part);
        CHECK(has(html, part));
    }
    CHECK_FALSE(has(html, "<script"));
    CHECK_FALSE(has(html, "https://"));
    CHECK(has(page->get_header_value("Content-Security-Policy"), "default-src 'none'"));
}

TEST_CASE("what people and applications are called cannot break the page") {
    Discord discord;
    discord.sim.world().add_user(
        {.id = Snowflake{9}, .username = "x", .global_name = "<b>\"&' \xE2\x80\xAE"});
    const auto page = discord.get(Discord::authorize({
        {"state", "\"><script>"}
    }));
    CHECK(is_balanced(page->body));
    CHECK(has(page->body, "&lt;b&gt;&quot;&amp;&#39;"));
    CHECK_FALSE(has(page->body, "<script"));
}

TEST_CASE("the buttons send the browser back with a code or with access_denied") {
    Discord discord;
    const auto target = Discord::authorize();
    const auto yes =
        discord.post(target, {
                                 {"user",     demo::fern.to_string()},
                                 {"decision", "authorize"           }
    });
    CHECK(yes->status == 302);
    CHECK(yes->get_header_value("Location").starts_with(std::string(callback) + "&code="));
    CHECK(Discord::parameter(yes, "state") == "a state/with=odd bytes");

    const auto no = discord.post(target, {
                                             {"decision", "cancel"}
    });
    CHECK(no->status == 302);
    CHECK(has(no->get_header_value("Location"), "The+resource+owner+or+"));
    CHECK(Discord::parameter(no, "error") == "access_denied");
    CHECK(Discord::parameter(no, "error_description") ==
          "The resource owner or authorization server denied the request");
    CHECK(Discord::parameter(no, "state") == "a state/with=odd bytes");

    const auto nobody = discord.post(target, {
                                                 {"user",     "12"       },
                                                 {"decision", "authorize"}
    });
    CHECK(nobody->status == 400);
}

TEST_CASE("the authorize endpoint redirects only to a registered redirect_uri") {
    struct Case {
        const char* name;
        Discord::Fields changes;
        int status;
        const char* error;  ///< of the redirect; empty: no redirect
    };
    // Aligned, the rows would be too long.
    // clang-format off
    const Case cases[] = {
        {"a good request shows the page", {}, 200, ""},
        {"another client_id is an error page", {{"client_id", "7"}}, 400, ""},
        {"no client_id is an error page", {{"client_id", ""}}, 400, ""},
        {"another redirect_uri is an error page", {{"redirect_uri", "https://evil.example/"}},
         400, ""},
        {"one byte more is another redirect_uri", {{"redirect_uri", std::string(callback) + "/"}},
         400, ""},
        {"another case of the host is another redirect_uri", {{"redirect_uri",
         "http://LOCALHOST:4180/callback?keep=this"}}, 400, ""},
        {"no redirect_uri means the first one", {{"redirect_uri", ""}}, 200, ""},
        {"the implicit grant is an error page", {{"response_type", "token"}}, 400, ""},
        {"no response_type is an error page", {{"response_type", ""}}, 400, ""},
        {"PKCE plain is refused", {{"code_challenge_method", "plain"}}, 302, "invalid_request"},
        {"PKCE without a method is plain", {{"code_challenge_method", ""}}, 302, "invalid_request"},
        {"a challenge that is no SHA-256 is refused", {{"code_challenge", "short"}}, 302,
         "invalid_request"},
        {"an unknown scope is shown first", {{"scope", "identity"}}, 200, ""},
    };
    // clang-format on
    for (const auto& row : cases) {
        CAPTURE(row.name);
        Discord discord;
        const auto answer = discord.get(Discord::authorize(row.changes));
        REQUIRE(answer);
        CHECK(answer->status == row.status);
        CHECK(answer->has_header("Location") == (row.error[0] != '\0'));
        if (row.error[0]) CHECK(Discord::parameter(answer, "error") == row.error);
    }
}

TEST_CASE("a scope that is unknown or needs approval fails after the user agreed") {
    Discord discord;
    discord.sim.approve_as(demo::fern);
    for (const auto* const scope : {"identity", "identify rpc", "guild.members.read", ""}) {
        CAPTURE(scope);
        const auto answer = discord.get(Discord::authorize({
            {"scope", scope}
        }));
        CHECK(Discord::parameter(answer, "error") == "invalid_scope");
        CHECK(Discord::parameter(answer, "error_description") ==
              "The requested scope is invalid, unknown, or malformed.");
    }
}

TEST_CASE("the API path of authorize leads to the page with the same query") {
    Discord discord;
    for (const auto* const prefix : {"/api", "/api/v10", "/api/v9"}) {
        const auto answer = discord.get(prefix + Discord::authorize());
        CHECK(answer->status == 302);
        // Some versions of the HTTP library decode what they received.
        const auto location = percent_decode(answer->get_header_value("Location"));
        CHECK(location == percent_decode(Discord::authorize()));
    }
}

TEST_CASE("prompt=none skips the page only for what this browser's user granted before") {
    Discord discord;
    const auto agreed = discord.post(
        Discord::authorize(), {
                                  {"user",     demo::fern.to_string()},
                                  {"decision", "authorize"           }
    });
    const auto set = agreed->get_header_value("Set-Cookie");
    const httplib::Headers cookie = {
        {"Cookie", "other=1; " + set.substr(0, set.find(';'))}
    };

    struct Case {
        const char* name;
        bool with_cookie;
        const char* scope;
        const char* prompt;
        int status;
    };
    constexpr Case cases[] = {
        {"granted before",             true,  "guilds identify", "none",    302},
        {"a part of it",               true,  "identify",        "none",    302},
        {"more than before",           true,  "identify email",  "none",    200},
        {"another browser",            false, "identify",        "none",    200},
        {"consent asks again",         true,  "identify",        "consent", 200},
        {"no prompt asks again",       true,  "identify",        "",        200},
        {"passthrough scopes ask too", true,  "identify bot",    "none",    200},
    };
    for (const auto& row : cases) {
        CAPTURE(row.name);
        const auto target = Discord::authorize({
            {"scope",  row.scope },
            {"prompt", row.prompt}
        });
        const auto answer = discord.http.Get(target, row.with_cookie ? cookie : httplib::Headers{});
        CHECK(answer->status == row.status);
    }

    discord.sim.deauthorize(demo::fern);
    const auto target = Discord::authorize({
        {"prompt", "none"}
    });
    CHECK(discord.http.Get(target, cookie)->status == 200);
}

TEST_CASE("nobody is asked when the simulator approves or denies by itself") {
    Discord discord;
    discord.sim.approve_as(demo::pip);
    CHECK_FALSE(Discord::parameter(discord.get(Discord::authorize()), "code").empty());
    discord.sim.deny_all();
    CHECK(Discord::parameter(discord.get(Discord::authorize()), "error") == "access_denied");
    discord.sim.ask_people();
    CHECK(discord.get(Discord::authorize())->status == 200);
}

TEST_CASE("a redirect_uri that is not the registered one is shown beside it") {
    std::vector<std::string> said;
    Simulator sim({.redirect_uris = {callback},
                   .log = [&](const std::string& text) { said.push_back(text); },
                   .world = demo_world()});
    httplib::Client http("127.0.0.1", sim.start());
    const auto other = std::string(callback) + "/";
    const auto page = http.Get(Discord::authorize({
        {"redirect_uri", other}
    }));
    REQUIRE(said.size() == 1);
    CHECK(has(said[0], "\"" + other + "\" came, \"" + callback + "\" is registered"));
    CHECK(has(page->body, other));

    sim.approve_as(demo::fern);
    const auto code = Discord::parameter(http.Get(Discord::authorize()), "code");
    const auto fields = Discord::exchange(code, {
                                                    {"redirect_uri", other}
    });
    const auto refused = http.Post("/api/oauth2/token",
                                   {
                                       {"User-Agent", user_agent}
    },
                                   Discord::form(fields), "application/x-www-form-urlencoded");
    CHECK(refused->status == 400);
    REQUIRE(said.size() == 2);
    CHECK(has(said[1], other));
    CHECK(has(said[1], callback));
}
