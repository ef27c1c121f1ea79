#include <algorithm>
#include <variant>

#include "cmd/discord-sim/objects.hpp"
#include "cmd/discord-sim/service.hpp"
#include "core/ascii.hpp"
#include "core/base64.hpp"
#include "core/crypto.hpp"
#include "core/random.hpp"
#include "core/url.hpp"

// The token endpoint and revocation. Errors have the shape of RFC 6749, 5.2,
// not Discord's own.

namespace cordgate::sim {
namespace {

using nlohmann::json;

constexpr std::string_view device_code_grant = "urn:ietf:params:oauth:grant-type:device_code";

bool is_form(std::string_view content_type) {
    const auto type = trim(content_type.substr(0, content_type.find(';')));
    return iequals(type, "application/x-www-form-urlencoded");
}

struct Credentials {
    std::string id{};
    std::optional<std::string> secret{};
};

// HTTP Basic, else the two fields of the body (RFC 6749, 2.3.1).
Credentials credentials_of(const Call& call, const Query& form) {
    if (!call.authorization.starts_with("Basic ")) {
        return {form.get("client_id").value_or(""), form.get("client_secret")};
    }
    const auto pair = base64_decode(std::string_view(call.authorization).substr(6)).value_or("");
    const auto colon = pair.find(':');
    if (colon == std::string::npos) return {};
    return {percent_decode(pair.substr(0, colon)).value_or(""),
            percent_decode(pair.substr(colon + 1))};
}

/// Whether the client is who it says, and if it proved it by its secret.
enum class ClientAuth { failed, by_name, by_secret };

ClientAuth authenticate(const Credentials& given, const Application& application) {
    if (given.id != application.client_id) return ClientAuth::failed;
    if (!given.secret || given.secret->empty()) {
        return application.is_public ? ClientAuth::by_name : ClientAuth::failed;
    }
    const bool right = constant_time_equal(*given.secret, application.client_secret);
    return right ? ClientAuth::by_secret : ClientAuth::failed;
}

// Discord lists scopes in an order of its own; ours is at least never the one asked for.
std::string listed_backwards(const Scopes& scopes) {
    std::string text;
    for (auto scope = scopes.rbegin(); scope != scopes.rend(); ++scope) {
        text += (text.empty() ? "" : " ") + *scope;
    }
    return text;
}

Reply token_reply(const json& body) {
    return {200, "application/json", body.dump(), {{"Cache-Control", "no-store"}}};
}

// As in Discord's documentation: permissions of roles are still numbers here,
// with strings beside them.
json guild_of_answer(const Guild& guild) {
    auto object = guild_object(guild);
    for (auto& role : object["roles"]) {
        const auto bits = role["permissions"].get<std::string>();
        role["permissions_new"] = bits;
        role["permissions"] = std::stoull(bits);
    }
    return object;
}

// A new one each time.
json webhook_of_answer(const Grant& grant, const Application& application) {
    const auto guild = grant.extras.guild.value_or(Snowflake{});
    const auto channel = grant.extras.channel.value_or(Snowflake{guild.value() + 1});
    const auto secret = random_id() + random_id();
    const auto id = std::to_string(guild.value() + 1 + secret[0]);
    return {
        {"id",             id                                                     },
        {"type",           1                                                      },
        {"name",           application.name                                       },
        {"avatar",         nullptr                                                },
        {"channel_id",     channel.to_string()                                    },
        {"guild_id",       guild.to_string()                                      },
        {"application_id", application.client_id                                  },
        {"token",          secret                                                 },
        {"url",            "https://discord.com/api/webhooks/" + id + "/" + secret}
    };
}

}  // namespace

Reply oauth_error(int status, const OAuthError& error) {
    json body = {
        {"error", error.error}
    };
    if (!error.description.empty()) body["error_description"] = error.description;
    return {status, "application/json", body.dump(), {{"Cache-Control", "no-store"}}};
}

// Authenticated by the secret, or a public client by its name.
std::optional<Reply> Service::refuse_client(const Call& call, const Query& form) const {
    const auto client = authenticate(credentials_of(call, form), application);
    if (client != ClientAuth::failed) return std::nullopt;
    return oauth_error(401, {"invalid_client", ""});
}

Reply Service::token(const Call& call, const Parameters&, const Caller&) {
    const auto parsed = Query::parse(call.body);
    const auto form = parsed && is_form(call.content_type) ? *parsed : Query{};
    const auto type = form.get("grant_type").value_or("");
    const bool known = type == "authorization_code" || type == "refresh_token" ||
                       type == "client_credentials" || type == device_code_grant;
    if (!known) return oauth_error(400, {"unsupported_grant_type", ""});
    const auto client = authenticate(credentials_of(call, form), application);
    if (client == ClientAuth::failed) return oauth_error(401, {"invalid_client", ""});
    const bool has_secret = client == ClientAuth::by_secret;
    if (type == "authorization_code") return code_grant(form, has_secret);
    if (type == "refresh_token") return refresh_grant(form);
    if (type == "client_credentials") return credentials_grant(form);
    return device_grant(form);
}

Reply Service::code_grant(const Query& form, bool has_secret) {
    const auto code = form.get("code").value_or("");
    const auto came = form.get("redirect_uri");
    const auto* const waiting = grants.find_code(code);
    if (waiting && waiting->redirect_uri != came) {
        log("redirect_uri of the code exchange differs: came \"" + came.value_or("") +
            "\", the authorization request had \"" + waiting->redirect_uri + "\"");
    }
    const auto result =
        grants.exchange(code, came, form.get("code_verifier"), has_secret, now(), settings.tokens);
    if (const auto* const error = std::get_if<OAuthError>(&result)) return oauth_error(400, *error);
    return grant_reply(std::get<Grant>(result));
}

Reply Service::refresh_grant(const Query& form) {
    const auto token = form.get("refresh_token").value_or("");
    const auto result = grants.refresh(token, now(), settings.tokens);
    if (const auto* const error = std::get_if<OAuthError>(&result)) return oauth_error(400, *error);
    return grant_reply(std::get<Grant>(result));
}

Reply Service::device_grant(const Query& form) {
    const auto result = devices.poll(form.get("device_code").value_or(""), now());
    if (const auto* const error = std::get_if<OAuthError>(&result)) return oauth_error(400, *error);
    const auto& login = std::get<DeviceLogin>(result);
    grants.remember(*login.user, login.scopes);
    announce_authorized(*login.user, login.scopes, std::nullopt);
    return grant_reply(grants.issue(*login.user, login.scopes, now(), settings.tokens));
}

// For the owner, and never to be refreshed. A team has no profile to show.
Reply Service::credentials_grant(const Query& form) {
    const auto scopes = split_scopes(form.get("scope").value_or(""));
    if (scopes.empty()) return api_error(500, 0, "500: Internal Server Error");
    const auto allowed = [&](const std::string& scope) {
        const bool for_all = scope == "identify" || scope == "applications.commands.update";
        return for_all || (!application.is_team && has_scope(open_scopes(), scope));
    };
    if (!std::all_of(scopes.begin(), scopes.end(), allowed)) {
        return oauth_error(
            400, {"invalid_scope", "The requested scope is invalid, unknown, or malformed."});
    }
    return grant_reply(grants.issue(owner().id, scopes, now(), settings.tokens, false));
}

Reply Service::grant_reply(const Grant& grant) {
    using std::chrono::duration_cast;
    const auto left = duration_cast<std::chrono::seconds>(grant.access_expires - now()).count();
    json body = {
        {"token_type",   "Bearer"                      },
        {"access_token", grant.access_token            },
        {"expires_in",   left                          },
        {"scope",        listed_backwards(grant.scopes)}
    };
    if (!grant.refresh_token.empty()) body["refresh_token"] = grant.refresh_token;
    if (has_scope(grant.scopes, "openid")) body["id_token"] = id_token(grant);
    const auto guild = grant.extras.guild ? world_.guild(*grant.extras.guild) : std::nullopt;
    if (guild && has_scope(grant.scopes, "bot")) body["guild"] = guild_of_answer(*guild);
    if (guild && has_scope(grant.scopes, "webhook.incoming")) {
        body["webhook"] = webhook_of_answer(grant, application);
    }
    return token_reply(body);
}

// RFC 7009; at Discord it ends every grant of this user to the application.
// An unknown token is a success too (2.2).
Reply Service::revoke(const Call& call, const Parameters&, const Caller&) {
    const auto parsed = Query::parse(call.body);
    const auto form = parsed && is_form(call.content_type) ? *parsed : Query{};
    if (auto refused = refuse_client(call, parsed.value_or(Query{}))) return std::move(*refused);
    const auto token = form.get("token");
    if (!token) return oauth_error(400, {"invalid_request", "Missing \"token\""});
    if (const auto user = grants.user_of(*token)) deauthorize(*user);
    return {200, "application/json", "{}", {}};
}

}  // namespace cordgate::sim
