#include <nlohmann/json.hpp>
#include <variant>

#include "cmd/discord-sim/service.hpp"
#include "core/ascii.hpp"
#include "core/base64.hpp"
#include "core/crypto.hpp"
#include "core/url.hpp"

// The token endpoint and revocation. Errors have the shape of RFC 6749, 5.2,
// not Discord's own.

namespace cordgate::sim {
namespace {

using nlohmann::json;

Reply oauth_error(int status, const OAuthError& error) {
    json body = {
        {"error", error.error}
    };
    if (!error.description.empty()) body["error_description"] = error.description;
    return {status, "application/json", body.dump(), {{"Cache-Control", "no-store"}}};
}

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

Reply grant_reply(const Grant& grant, TimePoint now) {
    using std::chrono::duration_cast;
    const auto left = duration_cast<std::chrono::seconds>(grant.access_expires - now).count();
    const json body = {
        {"token_type",    "Bearer"                      },
        {"access_token",  grant.access_token            },
        {"expires_in",    left                          },
        {"refresh_token", grant.refresh_token           },
        {"scope",         listed_backwards(grant.scopes)}
    };
    return {200, "application/json", body.dump(), {{"Cache-Control", "no-store"}}};
}

}  // namespace

Reply Service::token(const Call& call, const Parameters&, const Caller&) {
    const auto form = Query::parse(call.body);
    const bool readable = form && is_form(call.content_type);
    const auto type = readable ? form->get("grant_type") : std::nullopt;
    if (type != "authorization_code" && type != "refresh_token") {
        return oauth_error(400, {"unsupported_grant_type", ""});
    }
    const auto client = authenticate(credentials_of(call, *form), application);
    if (client == ClientAuth::failed) return oauth_error(401, {"invalid_client", ""});

    const auto at = now();
    const auto& how = settings.tokens;
    const auto result =
        type == "refresh_token"
            ? grants.refresh(form->get("refresh_token").value_or(""), at, how)
            : grants.exchange(form->get("code").value_or(""), form->get("redirect_uri"),
                              form->get("code_verifier"), client == ClientAuth::by_secret, at, how);
    if (const auto* const error = std::get_if<OAuthError>(&result)) return oauth_error(400, *error);
    return grant_reply(std::get<Grant>(result), at);
}

// RFC 7009; at Discord it ends every grant of this user to the application.
// An unknown token is a success too (2.2).
Reply Service::revoke(const Call& call, const Parameters&, const Caller&) {
    const auto form = Query::parse(call.body);
    const auto token = form && is_form(call.content_type) ? form->get("token") : std::nullopt;
    const auto given = credentials_of(call, form.value_or(Query{}));
    if (authenticate(given, application) == ClientAuth::failed) {
        return oauth_error(401, {"invalid_client", ""});
    }
    if (!token) return oauth_error(400, {"invalid_request", "Missing \"token\""});
    grants.revoke(*token);
    return {200, "application/json", "{}", {}};
}

}  // namespace cordgate::sim
