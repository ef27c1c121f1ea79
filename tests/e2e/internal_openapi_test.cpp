#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <set>
#include <thread>

#include "tests/support/comes_true.hpp"
#include "tests/support/internal.hpp"
#include "tests/support/replicas.hpp"

// docs/openapi.json against a running daemon: each path, method and status in it happens
// and has the form that it says; and nothing happens that is not in it.

using namespace cordgate;
using namespace cordgate::test;
namespace demo = cordgate::sim::demo;
using nlohmann::json;

namespace {

constexpr const char* token = "0123456789abcdef0123456789abcdef";
const std::string token_setting = "token: '" + std::string(token) + "'";
constexpr const char* every_scope =
    "scopes: [identify, email, guilds, guilds.members.read, connections, guilds.join, "
    "role_connections.write]";

const json& document() {
    static const json value = [] {
        std::ifstream in(std::string(CORDGATE_SOURCE_DIR) + "/docs/openapi.json");
        return json::parse(in);
    }();
    return value;
}

const json& resolve(const json& value) {
    if (!value.is_object() || !value.contains("$ref")) return value;
    return document().at(json::json_pointer(value["$ref"].get<std::string>().substr(1)));
}

bool is_of(const json& value, const std::string& type) {
    if (type == "null") return value.is_null();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_boolean();
    if (type == "integer") return value.is_number_integer();
    if (type == "number") return value.is_number();
    if (type == "array") return value.is_array();
    return type == "object" && value.is_object();
}

/// Why `value` is not what `schema` says; empty: it is. As much of JSON Schema as the
/// document uses.
std::string mismatch(const json& value, const json& named, const std::string& where = "body") {
    const json& schema = resolve(named);
    if (schema.contains("type")) {
        const auto& type = schema["type"];
        bool fits = false;
        for (const auto& each : type.is_array() ? type : json::array({type})) {
            fits = fits || is_of(value, each);
        }
        if (!fits) return where + " is " + value.dump() + ", not " + type.dump();
    }
    if (schema.contains("enum")) {
        const auto& allowed = schema["enum"];
        if (std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
            return where + " is " + value.dump();
        }
    }
    if (value.is_array() && schema.contains("items")) {
        for (const auto& item : value) {
            if (auto why = mismatch(item, schema["items"], where + "[]"); !why.empty()) return why;
        }
    }
    if (!value.is_object()) return "";
    for (const auto& name : schema.value("required", json::array())) {
        if (!value.contains(name)) return where + " lacks " + name.dump();
    }
    const auto properties = schema.value("properties", json::object());
    for (const auto& [name, property] : properties.items()) {
        if (!value.contains(name)) continue;
        if (auto why = mismatch(value[name], property, where + "." + name); !why.empty())
            return why;
    }
    return "";
}

/// One call of the API: its place in the document, and how it is made.
struct Operation {
    std::string method;
    std::string path;    ///< as in the document
    std::string target;  ///< {handle} is filled in
    std::string body = {};
};

const std::string user_id = demo::fern.to_string();
const std::string garden = demo::garden.to_string();

std::vector<Operation> operations() {
    const std::string session = "/v1/sessions/{handle}";
    std::vector<Operation> out = {
        {"GET", "/healthz",                         "/healthz"                             },
        {"GET", "/readyz",                          "/readyz"                              },
        {"GET", "/metrics",                         "/metrics"                             },
        {"GET", "/v1/sessions",                     "/v1/sessions"                         },
        {"GET", session,                            session                                },
        {"GET", session + "/user",                  session + "/user?max_age=0"            },
        {"GET", session + "/guilds",                session + "/guilds?max_age=0"          },
        {"GET", session + "/connections",           session + "/connections?max_age=0"     },
        {"GET", session + "/guilds/{guild}/member",
         session + "/guilds/" + garden + "/member?max_age=0"                               },
        {"PUT", session + "/guilds/{guild}/join",   session + "/guilds/" + garden + "/join", "{}"},
        {"GET",     session + "/token",                                   session + "/token"                                                   },
    };
    const std::string own =
        "/users/@me/applications/" + std::string(demo::client_id) + "/role-connection";
    const std::string member = "/guilds/" + garden + "/members/" + user_id;
    for (const char* method : {"GET", "POST", "PUT", "PATCH", "DELETE"}) {
        const std::string body = std::string(method) == "GET" ? "" : R"({"platform_name":"x"})";
        out.push_back({method, session + "/discord/{route}", session + "/discord" + own, body});
        const bool role = std::string(method) == "PUT" || std::string(method) == "DELETE";
        out.push_back(
            {method, "/v1/bot/{route}",
             "/v1/bot" + (role ? member + "/roles/" + demo::garden_member.to_string() : member)});
    }
    // Last: these end what the others need.
    out.push_back({"DELETE", session, session + "?revoke=true"});
    out.push_back({"DELETE", "/v1/users/{user}/sessions", "/v1/users/" + user_id + "/sessions"});
    return out;
}

/// What was seen, by "METHOD path", and held against the document at once.
class Walk {
public:
    int call(const Internal& api, const Operation& operation, const std::string& handle,
             const std::string& added = "", const httplib::Headers& headers = {}) {
        auto target = operation.target;
        if (const auto at = target.find("{handle}"); at != std::string::npos) {
            target.replace(at, 8, handle);
        }
        if (!added.empty()) target = target.substr(0, target.find('?')) + added;
        const auto answer = api.call(operation.method, target, operation.body, headers);
        check(operation, target, answer);
        return answer.status;
    }

    /// What the document names and nobody has seen.
    std::vector<std::string> missing() const {
        std::vector<std::string> out;
        for (const auto& [path, item] : document()["paths"].items()) {
            for (const auto& [method, operation] : item.items()) {
                if (method == "parameters") continue;
                for (const auto& [status, response] : operation["responses"].items()) {
                    // Not every method has a route that every status comes from.
                    const bool any = path.find("{route}") != std::string::npos;
                    const auto name = any ? path : method + " " + path;
                    if (!seen_.contains(name + " " + status)) {
                        out.push_back(method + " " + path + " " + status);
                    }
                }
            }
        }
        return out;
    }

private:
    void check(const Operation& operation, const std::string& target, const InternalReply& answer) {
        auto method = operation.method;
        for (auto& c : method) c = static_cast<char>(c - 'A' + 'a');
        const auto& responses = document()["paths"][operation.path][method]["responses"];
        auto status = std::to_string(answer.status);
        const auto by_class = status.substr(0, 1) + "XX";
        if (!responses.contains(status) && responses.contains(by_class)) status = by_class;
        INFO(operation.method << " " << target << " " << status << " " << answer.body);
        const bool is_named = responses.contains(status);
        CHECK_MESSAGE(is_named, "the document does not name this status");
        if (!is_named) return;
        const std::lock_guard lock(mutex_);
        const bool any = operation.path.find("{route}") != std::string::npos;
        seen_.insert((any ? operation.path : method + " " + operation.path) + " " + status);
        const auto& response = resolve(responses[status]);
        if (!response.contains("content")) {
            CHECK(answer.body.empty());
            return;
        }
        if (status == "2XX") return;
        const auto type = answer.field("Content-Type");
        const bool is_typed = response["content"].contains(type);
        CHECK_MESSAGE(is_typed, type);
        if (!is_typed || type.starts_with("text/")) return;
        CHECK(mismatch(answer.json(), response["content"][type]["schema"]) == "");
    }

    std::mutex mutex_;
    std::set<std::string> seen_;
};

/// What happens side by side, until all of it is over.
class Parts {
public:
    ~Parts() {
        for (auto& thread : threads_) thread.join();
    }
    template <class Part>
    void begin(Part part) {
        threads_.emplace_back([part] {
            try {
                part();
            } catch (const std::exception& problem) {
                FAIL_CHECK(std::string(problem.what()));
            }
        });
    }

private:
    std::vector<std::thread> threads_;
};

/// A gate with a visitor, for calls that change or break something.
struct Scene {
    /// `expires_in`: what Discord says of the visitor's token; empty: a week.
    explicit Scene(Script script = {}, const std::string& expires_in = "")
        : stage([&] {
              if (script.internal.empty())
                  script.internal = token_setting + ", expose_tokens: true";
              if (script.login.empty()) script.login = every_scope;
              if (script.discord.empty()) script.discord = bot_token_setting;
              return std::move(script);
          }()),
          browser([&] {
              sim::Fault says;
              says.route = "POST /oauth2/token";
              says.merge = "{\"expires_in\":" + expires_in + "}";
              if (!expires_in.empty()) stage.discord.add_fault(says);
              return stage.browser_of(demo::fern);
          }()),
          api(stage, token),
          handle(handle_of(stage, browser)) {}

    Stage stage;
    Browser browser;
    Internal api;
    std::string handle;
};

bool asks_discord(const Operation& operation) {
    return operation.path.find("/v1/") == 0 && operation.path != "/v1/sessions" &&
           operation.path != "/v1/users/{user}/sessions" && !operation.path.ends_with("/token") &&
           !(operation.method == "GET" && operation.path == "/v1/sessions/{handle}");
}

bool has(const std::string& text, std::string_view piece) {
    return text.find(piece) != std::string::npos;
}

/// Who may not ask, and sessions that are not there.
void walk_refusals(Walk& walk, Scene& scene) {
    const Internal nobody(scene.stage);
    for (const auto& operation : operations()) {
        CHECK(walk.call(scene.api, operation, scene.handle, "",
                        {
                            {"Origin", "https://evil.example"}
        }) == 403);
        const bool is_health = operation.path == "/healthz" || operation.path == "/readyz";
        if (!is_health) CHECK(walk.call(nobody, operation, scene.handle) == 401);
        if (has(operation.path, "{handle}")) {
            CHECK(walk.call(scene.api, operation, "nobody") == 404);
        }
    }
}

/// Calls that make no sense.
void walk_nonsense(Walk& walk, Scene& scene) {
    for (auto operation : operations()) {
        const auto& path = operation.path;
        std::string query;
        if (has(path, "{route}"))
            operation.target = path.substr(0, path.find("{route}")) + "..";
        else if (operation.method == "PUT")
            operation.body = "[]";
        else if (has(path, "{user}"))
            operation.target = "/v1/users/x/sessions";
        else if (operation.method == "DELETE")
            query = "?revoke=x";
        else if (path == "/v1/sessions")
            query = "?limit=x";
        else if (has(operation.target, "max_age"))
            query = "?max_age=x";
        else
            continue;
        CHECK(walk.call(scene.api, operation, scene.handle, query) == 400);
    }
}

/// What goes well: nothing so young in the cache, then asked for; a new member; and the ends.
void walk_success(Walk& walk, Scene& scene) {
    const std::string session = "/v1/sessions/{handle}";
    for (const auto& operation : operations()) {
        const bool ends = operation.method == "DELETE" && !has(operation.path, "{route}");
        if (ends) continue;
        const bool fetches = has(operation.target, "max_age") && !operation.path.ends_with("/user");
        if (fetches) {
            CHECK(walk.call(scene.api, operation, scene.handle, "?cached_only=1&max_age=0") == 204);
        }
        walk.call(scene.api, operation, scene.handle);
    }
    const Operation more[] = {
        {"GET", session + "/discord/{route}",     session + "/discord/users/@me"},
        {"GET", "/v1/bot/{route}",                "/v1/bot/guilds/1"            },
        {"PUT", session + "/guilds/{guild}/join",
         session + "/guilds/" + demo::lighthouse.to_string() + "/join"          },
    };
    for (const auto& operation : more) walk.call(scene.api, operation, scene.handle);
    for (const auto& operation : operations()) {
        if (operation.method == "DELETE") walk.call(scene.api, operation, scene.handle);
    }
}

/// A daemon on its way out.
void walk_drain(Walk& walk) {
    Scene scene;
    scene.stage.app.holds("/public/slow");
    Wire slow(scene.stage.port());
    slow.send(scene.stage.request("GET /public/slow"));
    scene.stage.app.wait_for(2);
    walk.call(
        scene.api,
        {"GET", "/v1/sessions/{handle}/user", "/v1/sessions/{handle}/user?cached_only=1&max_age=0"},
        scene.handle);
    scene.stage.gate().process().signal(SIGTERM);
    CHECK(scene.stage.gate().process().says("drain: "));
    CHECK(walk.call(scene.api, {"GET", "/readyz", "/readyz"}, "") == 503);
    scene.stage.app.release();
}

/// The token as soon as it has to be renewed.
void walk_token(Walk& walk, Scene& scene) {
    const Operation show{"GET", "/v1/sessions/{handle}/token", "/v1/sessions/{handle}/token"};
    CHECK(comes_true([&] { return walk.call(scene.api, show, scene.handle) != 200; }));
}

void walk_fault(Walk& walk, const char* fault) {
    Scene scene;
    scene.stage.discord.add_fault("*", fault, -1);
    for (const auto& operation : operations()) {
        if (asks_discord(operation)) walk.call(scene.api, operation, scene.handle);
    }
    Scene late({}, "1");
    late.stage.discord.add_fault("*", fault, -1);
    walk_token(walk, late);
}

/// A Discord that answers byte by byte: all at once, since each takes ten seconds.
void walk_drips(Walk& walk) {
    sim::Fault drips;
    drips.times = -1;
    drips.delivery.drip_head = std::chrono::milliseconds(400);
    Scene scene;
    Scene late({}, "1");
    Scene ending;
    for (auto* each : {&scene, &late, &ending}) each->stage.discord.add_fault(drips);
    Parts parts;
    parts.begin([&] { walk_token(walk, late); });
    for (const auto& operation : operations()) {
        if (!asks_discord(operation)) continue;
        const bool ends = operation.method == "DELETE" && !has(operation.path, "{route}");
        const Scene* const where = ends ? &ending : &scene;
        parts.begin([&walk, where, operation] { walk.call(where->api, operation, where->handle); });
    }
}

void walk_store(Walk& walk) {
    RedisServer redis;
    Scene scene(over(redis));
    redis.kill();
    for (const auto& operation : operations()) {
        if (operation.path == "/readyz" || operation.path == "/v1/sessions" ||
            operation.path.find("/v1/sessions/{handle}") == 0 ||
            operation.path.find("{user}") != std::string::npos) {
            CHECK(walk.call(scene.api, operation, scene.handle) == 503);
        }
    }
}

}  // namespace

TEST_CASE("docs/openapi.json and the daemon say the same, for each path, method and status") {
    Walk walk;
    {
        Scene scene;
        walk_refusals(walk, scene);
        walk_nonsense(walk, scene);
        walk_success(walk, scene);
    }
    // Each on gates of its own; most of the time they wait for each other's deadlines.
    {
        Parts parts;
        parts.begin([&] { walk_drain(walk); });
        parts.begin([&] { walk_drips(walk); });
        parts.begin([&] { walk_store(walk); });
        for (const char* fault : {"429_blocked", "404_page", "500"}) {
            parts.begin([&, fault] { walk_fault(walk, fault); });
        }
    }
    std::string missing;
    for (const auto& line : walk.missing()) missing += line + "\n";
    CHECK_MESSAGE(missing.empty(), "the document promises what nobody has seen:\n" << missing);
}

TEST_CASE("docs/openapi.json names every call of the internal API's table") {
    std::ifstream in(std::string(CORDGATE_SOURCE_DIR) + "/proxy/internal_call.cpp");
    const std::string source{std::istreambuf_iterator<char>(in), {}};
    std::size_t rows = 0;
    for (const auto& [path, item] : document()["paths"].items()) {
        CAPTURE(path);
        CHECK(source.find("\"" + path + "\"") != std::string::npos);
        ++rows;
    }
    std::set<std::string> named;
    const auto begin = source.find("& internal_calls()");
    const auto table = source.substr(begin, source.find("return calls", begin) - begin);
    for (auto at = table.find("\"/"); at != std::string::npos; at = table.find("\"/", at + 1)) {
        named.insert(table.substr(at + 1, table.find('"', at + 1) - at - 1));
    }
    CHECK(named.size() == rows);
}
