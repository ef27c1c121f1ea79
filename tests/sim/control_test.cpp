#include <doctest/doctest.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/sim/fixture.hpp"

using namespace cordgate;
using namespace cordgate::sim;
using nlohmann::json;

namespace {

/// What comes back for these very bytes: httplib's client adds a length to a POST.
std::string say(int port, const std::string& bytes) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::string answer;
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
        ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0) {
        char piece[4096];
        for (auto size = ::recv(fd, piece, sizeof piece, 0); size > 0;
             size = ::recv(fd, piece, sizeof piece, 0)) {
            answer.append(piece, static_cast<std::size_t>(size));
        }
    }
    ::close(fd);
    return answer;
}

}  // namespace

TEST_CASE("the control API builds a world that people can log in to") {
    Discord discord;
    discord.control("users", {
                                 {"id",       "11"           },
                                 {"username", "ada"          },
                                 {"extra",    {{"clan", "x"}}}
    });
    discord.control("guilds",
                    {
                        {"id",    "21"                                                  },
                        {"name",  "Guild"                                               },
                        {"owner", "11"                                                  },
                        {"roles", {{{"id", "31"}, {"name", "R"}, {"permissions", "32"}}}}
    });
    discord.control("members", {
                                   {"user",  "11"  },
                                   {"guild", "21"  },
                                   {"roles", {"31"}}
    });
    discord.control("auto", {
                                {"mode", "approve"},
                                {"user", "11"     }
    });

    const auto token = discord.access_token(Snowflake{11}, "identify guilds guilds.members.read");
    CHECK(body_of(discord.as(token, "/users/@me"))["clan"] == "x");
    const auto guilds = body_of(discord.as(token, "/users/@me/guilds"));
    CHECK(guilds.size() == 1);
    CHECK(guilds[0]["owner"] == true);
    CHECK(body_of(discord.as(token, "/users/@me/guilds/21/member"))["roles"] == json{"31"});

    discord.control("members", {
                                   {"user",  11           },
                                   {"guild", 21           },
                                   {"roles", json::array()}
    });
    CHECK(body_of(discord.as(token, "/users/@me/guilds/21/member"))["roles"].empty());
    discord.http.Delete("/sim/control/members", R"({"user":"11","guild":"21"})",
                        "application/json");
    CHECK(discord.as(token, "/users/@me/guilds/21/member")->status == 404);
}

TEST_CASE("the control API turns the clock, breaks things and counts calls") {
    Discord discord;
    const auto token = discord.access_token(demo::fern);
    discord.control("faults", {
                                  {"route",        "/users/@me"      },
                                  {"status",       418               },
                                  {"headers",      {{"X-Odd", "yes"}}},
                                  {"content_type", "text/plain"      },
                                  {"body",         "teapot"          }
    });
    const auto odd = discord.as(token, "/users/@me");
    CHECK(odd->status == 418);
    CHECK(odd->body == "teapot");
    CHECK(odd->get_header_value("X-Odd") == "yes");
    discord.control("faults", {
                                  {"route", "/users/@me"},
                                  {"kind",  "502_page"  }
    });
    CHECK(discord.as(token, "/users/@me")->status == 502);

    discord.control("clock", {
                                 {"advance", 604800}
    });
    CHECK(discord.as(token, "/users/@me")->status == 401);
    const auto counters = body_of(discord.http.Get("/sim/control/counters"));
    CHECK(counters["GET /users/@me"] == 3);
    CHECK(discord.sim.count("/users/@me") == 3);
    CHECK(discord.sim.count("POST /oauth2/token") == 1);

    discord.control("clock", {
                                 {"set", 2000000000}
    });
    const auto fresh = discord.as(discord.access_token(demo::fern), "/users/@me");
    CHECK(fresh->get_header_value("X-RateLimit-Reset").starts_with("2000000001"));

    discord.control("reset", json::object());
    CHECK(discord.sim.count("/users/@me") == 0);
    const auto state = body_of(discord.http.Get("/sim/control/state"));
    CHECK(state["grants"].empty());
    CHECK(state["users"].size() == 5);
}

TEST_CASE("the control API expires and deauthorizes") {
    Discord discord;
    const auto grant = discord.login(demo::fern);
    discord.control("expire", {
                                  {"user", demo::fern.to_string()}
    });
    CHECK(discord.as(grant["access_token"], "/users/@me")->status == 401);
    const auto next = body_of(discord.refresh(grant["refresh_token"]));
    CHECK(discord.as(next["access_token"], "/users/@me")->status == 200);
    discord.control("deauthorize", {
                                       {"user", demo::fern.to_string()}
    });
    CHECK(discord.as(next["access_token"], "/users/@me")->status == 401);
    CHECK(discord.refresh(next["refresh_token"])->status == 400);
}

TEST_CASE("a mistake in a control call is named and changes nothing") {
    Discord discord;
    struct Case {
        const char* name;
        const char* command;
        const char* body;
        int status;
    };
    constexpr Case cases[] = {
        {"no JSON",               "users",   "{",                                         400},
        {"no object",             "users",   "[]",                                        400},
        {"no id",                 "users",   R"({"username":"x"})",                       400},
        {"an id that is none",    "users",   R"({"id":"x","username":"x"})",              400},
        {"a user without a name", "users",   R"({"id":"77"})",                            400},
        {"roles that are none",   "members", R"({"user":"1","guild":"2","roles":["x"]})", 400},
        {"an unknown fault",      "faults",  R"({"kind":"x"})",                           400},
        {"a fault for no route",  "faults",  R"({"route":"/users/@em"})",                 400},
        {"an unknown mode",       "auto",    R"({"mode":"x"})",                           400},
        {"approve as nobody",     "auto",    R"({"mode":"approve"})",                     400},
        {"no such command",       "x",       "{}",                                        404},
    };
    for (const auto& row : cases) {
        CAPTURE(row.name);
        const auto answer = discord.http.Post(std::string("/sim/control/") + row.command, row.body,
                                              "application/json");
        REQUIRE(answer);
        CHECK(answer->status == row.status);
        CHECK(body_of(answer)["error"].is_string());
    }
    CHECK(discord.sim.world().users().size() == 5);
}

TEST_CASE("a page of another origin cannot use the control API") {
    Discord discord;
    const auto answer =
        discord.http.Post("/sim/control/deauthorize", R"({"user":"1"})", "text/plain");
    CHECK(answer->status == 415);
    const httplib::Headers page = {
        {"Origin", "https://elsewhere.example"}
    };
    CHECK(discord.http.Post("/sim/control/reset", page, "", "")->status == 415);
}

TEST_CASE("a control call that needs no body needs no length and no type") {
    Discord discord;
    discord.control("faults", {
                                  {"route", "/users/@me"},
                                  {"kind",  "500"       }
    });
    for (const std::string call : {"DELETE /sim/control/faults", "POST /sim/control/reset"}) {
        CAPTURE(call);
        CHECK(say(discord.sim.port(), call + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                  .starts_with("HTTP/1.1 200 OK\r\n"));
    }
    CHECK(body_of(discord.get("/sim/control/state"))["faults_waiting"] == 0);
}

TEST_CASE("a fault is taken for every route there is, and the refusal of another names them") {
    Discord discord;
    const auto fault = [&](const std::string& route) {
        return discord.http.Post("/sim/control/faults",
                                 json{
                                     {"route", route},
                                     {"kind",  "500"}
        }
                                     .dump(),
                                 "application/json");
    };
    const auto state = body_of(discord.get("/sim/control/state"));
    for (const auto& route : state["api_routes"]) {
        CAPTURE(route.dump());
        CHECK(fault(route)->status == 200);
    }
    for (const auto* const good : {"*", "/users/@me", "/users/@me/guilds/42/member",
                                   "GET /guilds/42", "/oauth2/authorize"}) {
        CAPTURE(std::string(good));
        CHECK(fault(good)->status == 200);
    }
    for (const auto* const bad : {"", "users/@me", "/nowhere", "PATCH /users/@me", "GET *",
                                  "/api/v10/users/@me", "/users/@me/"}) {
        CAPTURE(std::string(bad));
        const auto answer = fault(bad);
        CHECK(answer->status == 400);
        CHECK(body_of(answer)["error"].get<std::string>().find("GET /users/@me/guilds") !=
              std::string::npos);
    }
}

TEST_CASE("a world is read from JSON, or refused with a reason") {
    World world;
    load_world(world, R"({"users": [{"id": "1", "username": "ada", "global_name": null}],
                          "guilds": [{"id": "2", "name": "G", "owner": "1",
                                      "members": [{"user": "1", "nick": "A"}]}]})");
    CHECK(world.user(Snowflake{1})->username == "ada");
    CHECK(world.member(Snowflake{1}, Snowflake{2})->nick == "A");
    for (const auto* const bad : {"", "[]", R"({"users": 1})", R"({"users": [{}]})",
                                  R"({"guilds": [{"id": "2", "name": 7}]})"}) {
        CAPTURE(bad);
        CHECK_THROWS_AS(load_world(world, bad), std::invalid_argument);
    }
}

TEST_CASE("two simulators cannot share a port") {
    Discord discord;
    Simulator second({.port = discord.sim.port()});
    CHECK_THROWS_AS(second.start(), std::runtime_error);
}
