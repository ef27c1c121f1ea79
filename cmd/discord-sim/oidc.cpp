#include "cmd/discord-sim/objects.hpp"
#include "cmd/discord-sim/page.hpp"
#include "cmd/discord-sim/rsa_key.hpp"
#include "cmd/discord-sim/service.hpp"
#include "core/base64.hpp"

// OpenID Connect: discovery, keys, ID tokens, userinfo.

namespace cordgate::sim {

using nlohmann::json;

// As Discord's: neither a userinfo_endpoint nor the ways to authenticate are named.
Reply Service::discovery(const Call&, const Parameters&, const Caller&) {
    const auto api = base_url + "/api/oauth2";
    return json_reply({
        {"issuer",                                base_url               },
        {"authorization_endpoint",                api + "/authorize"     },
        {"token_endpoint",                        api + "/token"         },
        {"jwks_uri",                              api + "/keys"          },
        {"response_types_supported",              {"code", "token"}      },
        {"subject_types_supported",               json::array({"public"})},
        {"id_token_signing_alg_values_supported", json::array({"RS256"}) }
    });
}

// The newest key signs. Made when first needed, because that takes a moment.
void Service::rotate_keys(bool forget) {
    if (forget) id_token_keys.clear();
    id_token_keys.emplace(id_token_keys.begin());
}

Reply Service::keys(const Call&, const Parameters&, const Caller&) {
    if (id_token_keys.empty()) rotate_keys(false);
    auto list = json::array();
    for (const auto& key : id_token_keys) {
        list.push_back({
            {"kty", "RSA"                          },
            {"use", "sig"                          },
            {"kid", key.id()                       },
            {"n",   base64url_encode(key.modulus())},
            {"e",   "AQAB"                         },
            {"alg", "RS256"                        }
        });
    }
    return json_reply({
        {"keys", list}
    });
}

// The user's id and nothing about the profile.
std::string Service::id_token(const Grant& grant) {
    if (id_token_keys.empty()) rotate_keys(false);
    const auto& key = id_token_keys.front();
    const auto at = std::chrono::duration_cast<std::chrono::seconds>(now().time_since_epoch());
    const json head = {
        {"alg", "RS256" },
        {"kid", key.id()},
        {"typ", "JWT"   }
    };
    json claims = {
        {"iss", base_url              },
        {"sub", grant.user.to_string()},
        {"aud", application.client_id },
        {"iat", at.count()            },
        {"exp", at.count() + 3600     }
    };
    if (!grant.extras.nonce.empty()) claims["nonce"] = grant.extras.nonce;
    const auto text = base64url_encode(head.dump()) + "." + base64url_encode(claims.dump());
    return text + "." + base64url_encode(key.sign(text));
}

Reply Service::userinfo(const Call&, const Parameters&, const Caller& caller) {
    const auto user = world_.user(caller.grant->user);
    if (!user) return api_error(401, 0, "401: Unauthorized");
    const auto& scopes = caller.grant->scopes;
    const auto id = user->id.to_string();
    json body = {
        {"sub", id}
    };
    if (has_scope(scopes, "email")) {
        body["email"] = user->email ? json(*user->email) : json();
        body["email_verified"] = user->email && user->verified;
    }
    if (has_scope(scopes, "identify")) {
        body["preferred_username"] = user->username;
        body["nickname"] = user->global_name ? json(*user->global_name) : json();
        body["picture"] = base_url + avatar_path(*user);
        body["locale"] = user->locale;
    }
    return json_reply(body);
}

}  // namespace cordgate::sim
