#pragma once

#include <httplib.h>

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

#include "cmd/discord-sim/simulator.hpp"
#include "core/base64.hpp"
#include "core/crypto.hpp"
#include "core/url.hpp"

namespace cordgate::sim {

inline constexpr const char* callback = "http://localhost:4180/callback?keep=this";
inline constexpr const char* user_agent = "DiscordBot (https://example.com, 1.0)";
inline constexpr const char* verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
inline constexpr const char* bot_token = "bot-token-of-the-simulator";

/// A simulator with the demo world whose own clock stands still, and a client.
struct Discord {
    using Fields = std::vector<std::pair<std::string, std::string>>;

    Simulator sim{
        {.redirect_uris = {callback},
         .bot_token = bot_token,
         .now = [] { return TimePoint{} + std::chrono::hours(500000); },
         .world = demo_world()}
    };
    httplib::Client http{"127.0.0.1", sim.start()};

    static std::string form(const Fields& fields) {
        QueryBuilder query;
        for (const auto& [name, value] : fields) query.add(name, value);
        return query.str();
    }

    /// An authorization request; `changes` replace fields, an empty value removes one.
    static std::string authorize(const Fields& changes = {}) {
        Fields fields = {
            {"client_id",             demo::client_id                   },
            {"response_type",         "code"                            },
            {"redirect_uri",          callback                          },
            {"scope",                 "identify guilds"                 },
            {"state",                 "a state/with=odd bytes"          },
            {"code_challenge",        base64url_encode(sha256(verifier))},
            {"code_challenge_method", "S256"                            }
        };
        for (const auto& change : changes) replace(fields, change);
        return "/oauth2/authorize?" + form(fields);
    }

    static void replace(Fields& fields, const std::pair<std::string, std::string>& change) {
        std::erase_if(fields, [&](const auto& field) { return field.first == change.first; });
        if (!change.second.empty()) fields.push_back(change);
    }

    httplib::Result get(const std::string& path, const std::string& authorization = "") {
        httplib::Headers headers = {
            {"User-Agent", user_agent}
        };
        if (!authorization.empty()) headers.emplace("Authorization", authorization);
        return http.Get(path, headers);
    }

    /// As the user with this access token.
    httplib::Result as(const std::string& token, const std::string& route) {
        return get("/api/v10" + route, "Bearer " + token);
    }

    httplib::Result as_bot(const std::string& route) {
        return get("/api/v10" + route, std::string("Bot ") + bot_token);
    }

    httplib::Result post(const std::string& path, const Fields& fields) {
        const httplib::Headers headers = {
            {"User-Agent", user_agent}
        };
        return http.Post(path, headers, form(fields), "application/x-www-form-urlencoded");
    }

    httplib::Result control(const std::string& name, const nlohmann::json& body) {
        return http.Post("/sim/control/" + name, body.dump(), "application/json");
    }

    /// One parameter of a redirect back.
    static std::string parameter(const httplib::Result& redirect, std::string_view name) {
        const auto location = redirect->get_header_value("Location");
        const auto query = Query::parse(location.substr(location.find('?') + 1));
        return query ? query->get(name).value_or("") : "";
    }

    std::string code(Snowflake user, const Fields& changes = {}) {
        sim.approve_as(user);
        return parameter(get(authorize(changes)), "code");
    }

    /// The fields of a good code exchange, with `changes`.
    static Fields exchange(const std::string& code, const Fields& changes = {}) {
        Fields fields = {
            {"grant_type",    "authorization_code"},
            {"code",          code                },
            {"redirect_uri",  callback            },
            {"code_verifier", verifier            },
            {"client_id",     demo::client_id     },
            {"client_secret", demo::client_secret }
        };
        for (const auto& change : changes) replace(fields, change);
        return fields;
    }

    httplib::Result refresh(const std::string& token) {
        return post("/api/oauth2/token", {
                                             {"grant_type",    "refresh_token"    },
                                             {"refresh_token", token              },
                                             {"client_id",     demo::client_id    },
                                             {"client_secret", demo::client_secret}
        });
    }

    nlohmann::json login(Snowflake user, const std::string& scopes = "identify guilds") {
        const auto answer =
            post("/api/v10/oauth2/token", exchange(code(user, {
                                                                  {"scope", scopes}
        })));
        if (!answer || answer->status != 200) throw std::runtime_error("the login failed");
        return nlohmann::json::parse(answer->body);
    }

    std::string access_token(Snowflake user, const std::string& scopes = "identify guilds") {
        return login(user, scopes)["access_token"];
    }
};

inline nlohmann::json body_of(const httplib::Result& answer) {
    return nlohmann::json::parse(answer->body);
}

}  // namespace cordgate::sim
