#include <doctest/doctest.h>

#include "core/hex.hpp"
#include "tests/sim/fixture.hpp"
#include "tests/support/fair_time.hpp"

using namespace cordgate;
using namespace cordgate::sim;
using cordgate::test::FairTime;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

/// An application that takes events, as strictly as Discord asks for it.
class Receiver {
public:
    explicit Receiver(std::string verify_key) : key_(*hex_decode(verify_key)) {
        server_.Post("/events", [this](const httplib::Request& request, httplib::Response& answer) {
            const std::scoped_lock lock(mutex_);
            const auto signature = hex_decode(request.get_header_value("X-Signature-Ed25519"));
            const auto signed_text =
                request.get_header_value("X-Signature-Timestamp") + request.body;
            if (!signature || !ed25519_verify(key_, signed_text, *signature)) {
                answer.status = accepts_all_ ? 204 : 401;
                return;
            }
            if (failures_ > 0) {
                --failures_;
                answer.status = 500;
                return;
            }
            received_.push_back(json::parse(request.body));
            answer.status = 204;
        });
        port_ = server_.bind_to_any_port("127.0.0.1");
        thread_ = std::thread([this] { server_.listen_after_bind(); });
        while (!server_.is_running()) std::this_thread::yield();
    }
    ~Receiver() {
        server_.stop();
        thread_.join();
    }

    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/events"; }
    void fail(int times) {
        const std::scoped_lock lock(mutex_);
        failures_ = times;
    }
    void accept_all() {
        const std::scoped_lock lock(mutex_);
        accepts_all_ = true;
    }
    std::vector<json> received() {
        const std::scoped_lock lock(mutex_);
        return received_;
    }

private:
    std::string key_;
    httplib::Server server_;
    std::thread thread_;
    std::mutex mutex_;
    std::vector<json> received_;
    int port_ = 0;
    int failures_ = 0;
    bool accepts_all_ = false;
};

struct Events {
    Discord discord;
    Receiver receiver{discord.sim.verify_key()};
    Simulator& sim = discord.sim;

    Events() { sim.subscribe(receiver.url()); }

    std::vector<std::string> types() {
        std::vector<std::string> names;
        for (const auto& body : receiver.received()) names.push_back(body["event"]["type"]);
        return names;
    }
    json state() { return body_of(discord.http.Get("/sim/control/events")); }
};

}  // namespace

TEST_CASE("granting and taking back are told in signed events") {
    Events events;
    const auto grant = events.discord.login(demo::fern, "identify guilds");
    events.sim.settled_events();
    REQUIRE(events.types() == std::vector<std::string>{"APPLICATION_AUTHORIZED"});
    const auto authorized = events.receiver.received().front();
    CHECK(authorized["version"] == 1);
    CHECK(authorized["type"] == 1);
    CHECK(authorized["application_id"] == demo::client_id);
    CHECK(authorized["event"]["timestamp"] == "2027-01-15T08:00:00.000000");
    const auto& data = authorized["event"]["data"];
    CHECK(data["user"]["id"] == demo::fern.to_string());
    CHECK_FALSE(data["user"].contains("banner"));  // null is left out
    CHECK(data["scopes"] == json{"identify", "guilds"});

    events.discord.post("/api/oauth2/token/revoke", {
                                                        {"token",         grant["access_token"]},
                                                        {"client_id",     demo::client_id      },
                                                        {"client_secret", demo::client_secret  }
    });
    events.sim.deauthorize(demo::fern);  // nothing is left to take back
    events.sim.settled_events();
    REQUIRE(events.types().size() == 2);
    CHECK(events.types().back() == "APPLICATION_DEAUTHORIZED");
    CHECK(events.receiver.received().back()["event"]["data"]["user"]["id"] ==
          demo::fern.to_string());
}

TEST_CASE("only the events that are subscribed to come by themselves") {
    Events events;
    events.discord.control("webhook", {
                                          {"types", {"APPLICATION_DEAUTHORIZED"}}
    });
    events.discord.login(demo::fern);
    events.sim.deauthorize(demo::fern);
    events.sim.settled_events();
    CHECK(events.types() == std::vector<std::string>{"APPLICATION_DEAUTHORIZED"});
    events.sim.subscribe("");
    events.discord.login(demo::fern);
    CHECK(events.sim.settled_events().size() == 1);
}

TEST_CASE("saving a URL probes it with right and wrong signatures, and failing loses it") {
    Events events;
    const auto save = [&] {
        events.discord.control("webhook", {
                                              {"url",   events.receiver.url()},
                                              {"probe", true                 }
        });
        return events.sim.settled_events();
    };
    const auto good = save();
    REQUIRE(good.size() == 2);
    CHECK(good[0].statuses == std::vector{204});
    CHECK(good[1].statuses == std::vector{401});
    CHECK(events.state()["status"] == 2);
    CHECK(events.receiver.received().front()["type"] == 0);

    events.receiver.accept_all();
    save();
    CHECK(events.state()["url"].is_null());
    CHECK(events.state()["status"] == 1);
}

TEST_CASE("an event that is not taken is sent again with growing pauses, for ten minutes") {
    Events events;
    events.receiver.fail(2);
    events.sim.send_event("APPLICATION_DEAUTHORIZED", demo::fern);
    const auto statuses = [&] { return events.sim.settled_events().back().statuses; };
    CHECK(statuses() == std::vector{500});
    events.sim.advance(1s);
    CHECK(statuses() == std::vector{500, 500});
    events.sim.advance(1s);
    CHECK(statuses() == std::vector{500, 500});
    events.sim.advance(1s);
    CHECK(statuses() == std::vector{500, 500, 204});

    for (int event = 0; event < 5; ++event) {
        CHECK(events.state()["status"] == 2);
        events.receiver.fail(100);
        events.sim.send_event("APPLICATION_DEAUTHORIZED", demo::fern);
        for (int attempt = 0; attempt < 20; ++attempt) {
            events.sim.settled_events();
            events.sim.advance(300s);
        }
        CHECK(events.sim.settled_events().back().state == EventPost::State::given_up);
    }
    CHECK(events.state()["status"] == 3);
}

TEST_CASE("events can be forged, repeated, turned around and lost") {
    Events events;
    SUBCASE("a wrong signature in every form is for the application to refuse") {
        for (const auto* const how :
             {"wrong", "other_key", "other_body", "malformed", "missing", "no_timestamp"}) {
            CAPTURE(how);
            events.discord.control("events", {
                                                 {"type",      "APPLICATION_DEAUTHORIZED"},
                                                 {"user",      demo::fern.to_string()    },
                                                 {"signature", how                       }
            });
            const auto post = events.sim.settled_events().back();
            CHECK(post.statuses == std::vector{401});
            CHECK(post.state == EventPost::State::accepted);
        }
        CHECK(events.receiver.received().empty());
    }
    SUBCASE("the same one three times, of any type and age") {
        events.discord.control("events", {
                                             {"type",  "ENTITLEMENT_CREATE"},
                                             {"data",  {{"id", "7"}}       },
                                             {"times", 3                   },
                                             {"age",   3600                }
        });
        CHECK(events.sim.settled_events().front().timestamp == "1799996400");
        CHECK(events.types().size() == 3);
    }
    SUBCASE("in another order") {
        events.discord.control("hold", json::object());
        events.sim.send_event("FIRST", demo::fern);
        events.sim.send_event("SECOND", demo::fern);
        CHECK(events.sim.settled_events().size() == 2);
        CHECK(events.types().empty());
        events.discord.control("release", {
                                              {"reversed", true}
        });
        events.sim.settled_events();
        CHECK(events.types() == std::vector<std::string>{"SECOND", "FIRST"});
    }
    SUBCASE("never") {
        events.discord.control("hold", json::object());
        events.sim.send_event("FIRST", demo::fern);
        events.discord.http.Delete("/sim/control/events", "{}", "application/json");
        events.discord.control("release", json::object());
        CHECK(events.sim.settled_events().empty());
    }
}

TEST_CASE("a URL where nobody answers delays nothing else, and stopping does not wait") {
    Discord discord;
    httplib::Server silent;
    const auto port = silent.bind_to_any_port("127.0.0.1");  // connects, and no more
    discord.sim.subscribe("http://127.0.0.1:" + std::to_string(port) + "/");
    const auto token = discord.access_token(demo::fern);
    CHECK(discord.as(token, "/users/@me")->status == 200);
    const FairTime since;
    discord.sim.stop();
    CHECK(since.passed() < 2s);
}

TEST_CASE("the bot reads and writes where events go, and which key signs them") {
    Discord discord;
    const auto own = body_of(discord.as_bot("/applications/@me"));
    CHECK(own["verify_key"] == discord.sim.verify_key());
    CHECK(own["event_webhooks_url"].is_null());
    CHECK(own["redirect_uris"] == json{callback});
    const httplib::Headers headers = {
        {"User-Agent",    user_agent                     },
        {"Authorization", std::string("Bot ") + bot_token}
    };
    const auto answer = discord.http.Patch(
        "/api/v10/applications/@me", headers,
        R"({"event_webhooks_url":"https://example.com/e","event_webhooks_status":2})",
        "application/json");
    CHECK(body_of(answer)["event_webhooks_url"] == "https://example.com/e");
    CHECK(body_of(answer)["event_webhooks_status"] == 2);
}
