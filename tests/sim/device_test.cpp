#include <doctest/doctest.h>

#include "tests/sim/fixture.hpp"

using namespace cordgate;
using namespace cordgate::sim;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

json begin(Discord& discord, const std::string& scope = "identify guilds") {
    const auto answer =
        discord.post("/api/v10/oauth2/device/authorize", {
                                                             {"client_id",     demo::client_id    },
                                                             {"client_secret", demo::client_secret},
                                                             {"scope",         scope              }
    });
    REQUIRE(answer);
    return body_of(answer);
}

httplib::Result poll(Discord& discord, const std::string& device_code) {
    return discord.post("/api/oauth2/token",
                        {
                            {"grant_type",    "urn:ietf:params:oauth:grant-type:device_code"},
                            {"device_code",   device_code                                   },
                            {"client_id",     demo::client_id                               },
                            {"client_secret", demo::client_secret                           }
    });
}

std::string error_of(const httplib::Result& answer) {
    return body_of(answer).value("error", "");
}

}  // namespace

TEST_CASE("a device waits until somebody types its code, then has tokens once, RFC 8628") {
    Discord discord;
    const auto login = begin(discord);
    const std::string code = login["device_code"];
    const std::string typed = login["user_code"];
    CHECK(typed.size() == 9);
    CHECK(login["verification_uri"] == discord.sim.base_url() + "/activate");
    CHECK(login["interval"] == 5);

    CHECK(error_of(poll(discord, code)) == "authorization_pending");
    CHECK(error_of(poll(discord, code)) == "slow_down");
    discord.sim.advance(5s);

    const auto page = discord.get("/activate?user_code=" + typed);
    CHECK(page->status == 200);
    CHECK(page->body.find("know what servers you are in") != std::string::npos);
    CHECK(discord.get("/activate?user_code=XXXX-XXXX")->status == 404);
    const auto done =
        discord.post("/activate?user_code=" + typed,
                     {
                         {"decision", "authorize"           },
                         {"user",     demo::fern.to_string()}
    });
    CHECK(done->status == 200);

    const auto tokens = body_of(poll(discord, code));
    CHECK(tokens["scope"] == "guilds identify");
    CHECK(discord.as(tokens["access_token"], "/users/@me")->status == 200);
    CHECK(discord.refresh(tokens["refresh_token"])->status == 200);
    CHECK(error_of(poll(discord, code)) == "invalid_grant");
}

TEST_CASE("a device can be refused, be late, or ask for what there is not") {
    Discord discord;
    const auto refused = begin(discord);
    const auto path = "/activate?user_code=" + refused["user_code"].get<std::string>();
    discord.post(path, {
                           {"decision", "cancel"}
    });
    CHECK(error_of(poll(discord, refused["device_code"])) == "access_denied");

    const auto late = begin(discord);
    discord.sim.advance(1800s);
    CHECK(error_of(poll(discord, late["device_code"])) == "expired_token");
    CHECK(error_of(poll(discord, "unknown")) == "invalid_grant");
    CHECK(begin(discord, "identity")["error"] == "invalid_scope");
    const auto nobody = discord.post("/api/oauth2/device/authorize", {
                                                                         {"scope", "identify"}
    });
    CHECK(nobody->status == 401);

    discord.sim.approve_as(demo::robin);
    CHECK(poll(discord, begin(discord)["device_code"])->status == 200);
    discord.sim.deny_all();
    CHECK(error_of(poll(discord, begin(discord)["device_code"])) == "access_denied");
}
