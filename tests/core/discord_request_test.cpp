// Any request to Discord, as the client sends it: what goes out, what an answer
// becomes, and who waits for whom.

#include <doctest/doctest.h>
#include <httplib.h>

#include <atomic>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/discord/calls.hpp"
#include "core/discord/client.hpp"
#include "core/discord/failure.hpp"

using namespace cordgate;
using namespace cordgate::discord;
using namespace std::chrono_literals;

namespace {

constexpr auto json_type = "application/json";

/// Discord on loopback; `answer` serves every request.
class Discord {
public:
    using Handler = std::function<void(const httplib::Request&, httplib::Response&)>;

    explicit Discord(Handler handler) : answer(std::move(handler)) {
        const auto serve = [this](const httplib::Request& request, httplib::Response& response) {
            {
                const std::lock_guard lock(mutex);
                last = request;
            }
            ++requests;
            answer(request, response);
        };
        server.Get(".*", serve);
        server.Post(".*", serve);
        server.Put(".*", serve);
        server.Patch(".*", serve);
        server.Delete(".*", serve);
        server.set_tcp_nodelay(true);
        server.new_task_queue = [] { return new httplib::ThreadPool(32); };
        port = server.bind_to_any_port("127.0.0.1");
        REQUIRE(port > 0);
        thread = std::thread([this] { server.listen_after_bind(); });
        while (!server.is_running()) std::this_thread::yield();
        client = make_client(options());
    }
    ~Discord() {
        client.reset();
        server.stop();
        thread.join();
    }

    ClientOptions options(const std::string& host = "127.0.0.1") const {
        ClientOptions options;
        options.api_url = "http://" + host + ":" + std::to_string(port) + "/api/v10";
        options.client_id = "1234";
        options.client_secret = Secret("the-client-secret");
        options.bot_token = Secret("the-bot-token");
        options.version = "9.8.7";
        return options;
    }

    Handler answer;
    httplib::Server server;
    std::atomic<int> requests{0};
    std::mutex mutex;
    httplib::Request last;
    int port = 0;
    std::thread thread;
    std::unique_ptr<Api> client;
};

Discord::Handler fixed(int status, std::string type, std::string body,
                       httplib::Headers headers = {}) {
    return [=](const httplib::Request&, httplib::Response& response) {
        response.status = status;
        for (const auto& [name, value] : headers) response.set_header(name.c_str(), value.c_str());
        if (!body.empty()) response.set_content(body, type.c_str());
    };
}

Request as_user(const char* route, std::string method = "GET") {
    auto request = Request::by_user(Secret("at"), Route::known(route));
    request.method = std::move(method);
    return request;
}

Request as_bot(const char* route, std::string method = "GET") {
    auto request = Request::by_bot(Route::known(route));
    request.method = std::move(method);
    return request;
}

}  // namespace

TEST_CASE(
    "quartcord request: C13 C20 H2 H3 B12 method, query, body and credentials go out as asked, "
    "with our "
    "agent") {
    Discord discord(fixed(200, json_type, R"({"x":1})"));
    for (const char* method : {"GET", "POST", "PUT", "PATCH", "DELETE"}) {
        CAPTURE(method);
        auto request = as_user("/users/@me/guilds", method);
        request.query = "limit=5&after=7";
        if (std::string(method) != "GET") request.body = R"({"a":1})";
        const auto reply = discord.client->request(request);
        REQUIRE(reply);
        CHECK(reply->status == 200);
        CHECK(reply->body == R"({"x":1})");
        CHECK(discord.last.method == method);
        CHECK(discord.last.target == "/api/v10/users/@me/guilds?limit=5&after=7");
        CHECK(discord.last.get_header_value("Authorization") == "Bearer at");
        CHECK(discord.last.get_header_value("User-Agent") ==
              "DiscordBot (https://github.com/cordgate/cordgate, 9.8.7)");
        CHECK(discord.last.body == request.body);
        CHECK(discord.last.get_header_value("Content-Type") ==
              (request.body.empty() ? "" : json_type));
    }
    auto request = as_bot("/guilds/5/members/7/roles/8", "PUT");
    request.audit_log_reason = "because";
    REQUIRE(discord.client->request(request));
    CHECK(discord.last.get_header_value("Authorization") == "Bot the-bot-token");
    CHECK(discord.last.get_header_value("X-Audit-Log-Reason") == "because");

    Request open{Request::As::nobody, {}, "GET", Route::known("/oauth2/keys")};
    REQUIRE(discord.client->request(open));
    CHECK_FALSE(discord.last.has_header("Authorization"));
}

TEST_CASE("quartcord request: C6 C20 U18 what cannot be sent as it is never leaves") {
    Discord discord(fixed(200, json_type, "{}"));
    const auto refused = [&](const Request& request) {
        const auto reply = discord.client->request(request);
        return !reply && reply.error().kind == ErrorKind::bad_request &&
               reply.error().source == ErrorSource::client;
    };
    for (const char* method : {"", "get", "CONNECT", "TRACE", "GET /x HTTP/1.1\r\nX: 1"}) {
        CAPTURE(method);
        CHECK(refused(as_user("/users/@me", method)));
    }
    auto request = as_user("/users/@me");
    request.query = "a=1 HTTP/1.1\r\nX: 1";
    CHECK(refused(request));
    request = as_user("/users/@me", "POST");
    request.content_type = "text/plain\r\nX: 1";
    CHECK(refused(request));
    request = as_bot("/users/@me");
    request.audit_log_reason = "a\nb";
    CHECK(refused(request));
    for (const char* token : {"", "a b", "a\r\nX: 1"}) {
        CHECK(refused(Request::by_user(Secret(token), Route::known("/users/@me"))));
    }
    auto options = discord.options();
    options.bot_token = Secret();
    const auto without = make_client(options)->request(as_bot("/users/@me"));
    CHECK(without.error().kind == ErrorKind::forbidden);
    CHECK(without.error().source == ErrorSource::gate);
    CHECK(discord.requests == 0);
}

TEST_CASE(
    "quartcord request: E1 B7 B8 M8 M11 a refusal is an error with Discord's own words, never "
    "data") {
    struct Row {
        int status;
        const char* type;
        const char* body;
        ErrorKind kind;
        long long code;
        const char* message;
    };
    const Row rows[] = {
        {400, json_type,    R"({"message":"Invalid Form Body","code":50035,"errors":{"a":1}})",
         ErrorKind::bad_request,                                                                                            50035, "Invalid Form Body"         },
        {401, json_type,    R"({"message":"401: Unauthorized","code":0})",                      ErrorKind::unauthorized,    0,
         "401: Unauthorized"                                                                                                                                   },
        {403, json_type,    R"({"message":"Missing Permissions","code":50013})",                ErrorKind::forbidden,
         50013,                                                                                                                    "Missing Permissions"       },
        {403, json_type,    R"({"message":"internal network error","code":40333})",
         ErrorKind::unavailable,                                                                                            40333, "internal network error"    },
        {403, "text/html",  "<title>Access denied</title>",                                     ErrorKind::rate_limited,    0,     ""                          },
        {404, json_type,    R"({"message":"Unknown Guild","code":10004})",                      ErrorKind::not_found,       10004,
         "Unknown Guild"                                                                                                                                       },
        {404, "text/html",  "<html>",                                                           ErrorKind::malformed_reply, 0,     ""                          },
        {405, json_type,    R"({"message":"405: Method Not Allowed","code":0})",
         ErrorKind::bad_request,                                                                                            0,     "405: Method Not Allowed"   },
        {302, "text/html",  "",                                                                 ErrorKind::malformed_reply, 0,     ""                          },
        {500, json_type,    R"({"message":"500: Internal Server Error","code":0})",
         ErrorKind::unavailable,                                                                                            0,     "500: Internal Server Error"},
        {502, "text/html",  "<html>",                                                           ErrorKind::unavailable,     0,     ""                          },
        {429, "text/plain", "error code: 1015",                                                 ErrorKind::rate_limited,    0,     ""                          },
    };
    for (const auto& row : rows) {
        CAPTURE(row.status);
        CAPTURE(row.body);
        Discord discord(fixed(row.status, row.type, row.body));
        const auto reply = discord.client->request(as_user("/users/@me/guilds", "POST"));
        REQUIRE_FALSE(reply);
        const Error& error = reply.error();
        CHECK(error.kind == row.kind);
        REQUIRE(error.refusal);
        CHECK(error.refusal->status == row.status);
        CHECK(error.refusal->code == row.code);
        CHECK(error.refusal->message == row.message);
        CHECK(error.refusal->body == (std::string(row.type) == json_type ? row.body : ""));
        CHECK(discord.requests == 1);
    }
    for (const auto& [type, body] : {
             std::pair("text/html", "<html>"),
             {"text/plain", "{}"               },
             {json_type,    "{"                },
             {json_type,    "{\"a\":1,\"a\":2}"}
    }) {
        Discord discord(fixed(200, type, body));
        CHECK(discord.client->request(as_user("/x")).error().kind == ErrorKind::malformed_reply);
    }
    Discord empty(fixed(204, json_type, ""));
    const auto reply = empty.client->request(as_user("/x", "DELETE"));
    REQUIRE(reply);
    CHECK(reply->status == 204);
    CHECK(reply->body.empty());
}

TEST_CASE(
    "quartcord request: E2 B15 M1 M2 M3 a 429 tells message, scope, seconds and headers, in every "
    "form") {
    struct Row {
        const char* type;
        const char* body;
        httplib::Headers headers;
        LimitScope scope;
        Milliseconds wait;
        const char* message;
    };
    const Row rows[] = {
        {json_type,
         R"({"message":"You are being rate limited.","retry_after":64.57,"global":false})", {{"Retry-After", "65"}, {"X-RateLimit-Scope", "user"}},
         LimitScope::user,
         64570ms,                                                                                                                                                           "You are being rate limited."                 },
        {json_type,
         R"({"message":"The resource is being rate limited.","retry_after":64.57})",        {{"X-RateLimit-Scope", "shared"}},
         LimitScope::shared,
         64570ms,                                                                                                                                                           "The resource is being rate limited."         },
        {json_type,
         R"({"message":"You are being rate limited.","retry_after":64.57,"global":true})",  {},
         LimitScope::global,
         64570ms,                                                                                                                                                           "You are being rate limited."                 },
        {json_type,
         R"({"code":0,"message":"You are being blocked from accessing our API"})",          {},
         LimitScope::ban,
         10min,                                                                                                                                                             "You are being blocked from accessing our API"},
        {"text/plain", "error code: 1015",                                                  {{"Retry-After", "3600"}},                              LimitScope::ban, 1h,    ""                                            },
        {"text/html",  "<html>",                                                            {},                                                     LimitScope::ban, 10min, ""                                            },
    };
    for (const auto& row : rows) {
        CAPTURE(row.body);
        Discord discord(fixed(429, row.type, row.body, row.headers));
        const auto limited = discord.client->request(as_user("/users/@me"));
        REQUIRE_FALSE(limited);
        const Error& error = limited.error();
        CHECK(error.kind == ErrorKind::rate_limited);
        CHECK(error.retry_after == row.wait);
        REQUIRE(error.refusal);
        CHECK(error.refusal->scope == row.scope);
        CHECK(error.refusal->is_global() == (row.scope == LimitScope::global));
        CHECK(error.refusal->message == row.message);
        for (const auto& [name, value] : row.headers) {
            const std::pair<std::string, std::string> wanted(
                name == "Retry-After" ? "retry-after" : "x-ratelimit-scope", value);
            const auto& got = error.refusal->headers;
            CHECK(std::find(got.begin(), got.end(), wanted) != got.end());
        }
        // And who comes next is told the same, without asking Discord.
        const auto next = discord.client->request(as_user("/users/@me"));
        CHECK(next.error().refusal->scope == row.scope);
        CHECK(next.error().retry_after > row.wait - 5s);
        CHECK(discord.requests == 1);
    }
}

TEST_CASE("request: M7 only what may be sent twice is") {
    for (const auto& [method, times] : {
             std::pair("GET", 2), {"PUT",    2},
               {"DELETE", 2},
               {"POST",   1},
               {"PATCH",  1}
    }) {
        CAPTURE(method);
        Discord discord(fixed(503, "text/html", "<html>"));
        CHECK_FALSE(discord.client->request(as_user("/users/@me", method)));
        CHECK(discord.requests == times);
    }
}

TEST_CASE("request: M25 who waits for a bucket goes in order, and its count is kept to") {
    // Two calls in 300 ms for everybody; the server refuses the third.
    std::mutex mutex;
    std::vector<std::string> order;
    auto window_end = std::chrono::steady_clock::now();
    int used = 0;
    int refused = 0;
    Discord discord([&](const httplib::Request& request, httplib::Response& response) {
        const std::lock_guard lock(mutex);
        const auto now = std::chrono::steady_clock::now();
        if (now >= window_end) {
            used = 0;
            window_end = now + 300ms;
        }
        const double left = std::chrono::duration<double>(window_end - now).count();
        response.set_header("X-RateLimit-Bucket", "abc");
        response.set_header("X-RateLimit-Limit", "2");
        response.set_header("X-RateLimit-Reset-After", std::to_string(left));
        if (used == 2) {
            ++refused;
            response.status = 429;
            response.set_content(R"({"message":"m","retry_after":)" + std::to_string(left) + "}",
                                 json_type);
            return;
        }
        response.set_header("X-RateLimit-Remaining", std::to_string(2 - ++used));
        order.push_back(request.get_param_value("n"));
        response.set_content("{}", json_type);
    });
    std::vector<std::thread> threads;
    std::atomic<int> good{0};
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&, i] {
            auto request = as_bot("/guilds/5/roles");
            request.query = "n=" + std::to_string(i);
            if (discord.client->request(request)) ++good;
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(good == 8);
    CHECK(refused == 0);
    CHECK(order.size() == 8);
}

TEST_CASE("quartcord request: E2 who would wait too long is told so at once, with the time") {
    Discord discord(fixed(200, json_type, "{}",
                          {
                              {"X-RateLimit-Limit",       "1" },
                              {"X-RateLimit-Remaining",   "0" },
                              {"X-RateLimit-Reset-After", "30"}
    }));
    REQUIRE(discord.client->request(as_user("/users/@me/guilds")));
    const auto limited = discord.client->request(as_user("/users/@me/guilds"));
    CHECK(limited.error().kind == ErrorKind::rate_limited);
    CHECK(limited.error().retry_after > 25s);
    CHECK(limited.error().refusal->scope == LimitScope::user);
    CHECK(discord.client->request(as_user("/users/@me/connections")));  // another bucket
}

TEST_CASE("request: limits are a user's, whichever session's token they come with") {
    Discord discord(fixed(200, json_type, R"({"id":"7","username":"a"})",
                          {
                              {"X-RateLimit-Bucket",      "abc"},
                              {"X-RateLimit-Remaining",   "0"  },
                              {"X-RateLimit-Reset-After", "60" }
    }));
    const auto me = [&](const char* token) {
        return discord.client->request(Request::by_user(Secret(token), Route::known("/users/@me")));
    };
    REQUIRE(me("one"));
    REQUIRE(me("two"));  // whose it is turns out by its answer
    CHECK_FALSE(me("one"));
    CHECK_FALSE(me("two"));
    CHECK(discord.requests == 2);
}

TEST_CASE("client: M17 names that resolve slowly, wrongly or to a dead address") {
    Discord discord(fixed(200, json_type, R"({"id":"7","username":"a"})"));
    auto options = discord.options("localhost");
    std::promise<void> over;
    auto ended = over.get_future().share();
    std::atomic<int> looked_up{0};

    SUBCASE("an answer that never comes ends at the deadline") {
        options.resolve = [ended](const std::string&) -> Result<std::vector<std::string>> {
            ended.wait();
            return std::vector<std::string>{"127.0.0.1"};
        };
        options.total_timeout = 1s;
        const auto client = make_client(options);
        const auto user = fetch_user(*client, Secret("at"));
        CHECK(user.error().kind == ErrorKind::timed_out);
    }
    SUBCASE("no such host is unavailable") {
        options.resolve = [](const std::string&) -> Result<std::vector<std::string>> {
            return Error{ErrorKind::unavailable, ErrorSource::discord, "no such host"};
        };
        CHECK(fetch_user(*make_client(options), Secret("at")).error().kind ==
              ErrorKind::unavailable);
    }
    SUBCASE("the next address serves, also what is sent once, and is kept") {
        options.resolve = [&](const std::string& host) -> Result<std::vector<std::string>> {
            ++looked_up;
            CHECK(host == "localhost");
            return std::vector<std::string>{"127.0.0.2", "::1", "127.0.0.1"};
        };
        const auto client = make_client(options);
        CHECK(client->request(as_user("/x", "POST")));
        CHECK(fetch_user(*client, Secret("at")));
        CHECK(looked_up == 1);
    }
    SUBCASE("a new address is found after the old one died") {
        options.resolve = [&](const std::string&) -> Result<std::vector<std::string>> {
            return std::vector<std::string>{++looked_up == 1 ? "127.0.0.2" : "127.0.0.1"};
        };
        const auto client = make_client(options);
        CHECK(fetch_user(*client, Secret("at")));
        CHECK(looked_up == 2);
    }
    over.set_value();
}
