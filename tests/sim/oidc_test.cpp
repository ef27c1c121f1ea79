#include <doctest/doctest.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <memory>

#include "tests/sim/fixture.hpp"

using namespace cordgate;
using namespace cordgate::sim;
using nlohmann::json;

namespace {

const unsigned char* raw(const std::string& bytes) {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}

// RS256 by the numbers of a JWK, as somebody who has only these would do it.
bool verify(const json& key, const std::string& message, const std::string& signature) {
    const auto n = *base64url_decode(key["n"].get<std::string>());
    const auto e = *base64url_decode(key["e"].get<std::string>());
    const std::unique_ptr<BIGNUM, void (*)(BIGNUM*)> modulus(
        BN_bin2bn(raw(n), static_cast<int>(n.size()), nullptr), BN_free);
    const std::unique_ptr<BIGNUM, void (*)(BIGNUM*)> exponent(
        BN_bin2bn(raw(e), static_cast<int>(e.size()), nullptr), BN_free);
    const std::unique_ptr<OSSL_PARAM_BLD, void (*)(OSSL_PARAM_BLD*)> builder(OSSL_PARAM_BLD_new(),
                                                                             OSSL_PARAM_BLD_free);
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
    const std::unique_ptr<OSSL_PARAM, void (*)(OSSL_PARAM*)> parameters(
        OSSL_PARAM_BLD_to_param(builder.get()), OSSL_PARAM_free);
    const std::unique_ptr<EVP_PKEY_CTX, void (*)(EVP_PKEY_CTX*)> maker(
        EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr), EVP_PKEY_CTX_free);
    EVP_PKEY* made = nullptr;
    EVP_PKEY_fromdata_init(maker.get());
    if (EVP_PKEY_fromdata(maker.get(), &made, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
        return false;
    }
    const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> pkey(made, EVP_PKEY_free);
    const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                     EVP_MD_CTX_free);
    return EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, pkey.get()) == 1 &&
           EVP_DigestVerify(context.get(), raw(signature), signature.size(), raw(message),
                            message.size()) == 1;
}

struct Jwt {
    json head;
    json claims;
    std::string text;  ///< what is signed
    std::string signature;

    explicit Jwt(const std::string& token) {
        const auto first = token.find('.');
        const auto second = token.rfind('.');
        head = json::parse(*base64url_decode(token.substr(0, first)));
        claims = json::parse(*base64url_decode(token.substr(first + 1, second - first - 1)));
        text = token.substr(0, second);
        signature = *base64url_decode(token.substr(second + 1));
    }
};

}  // namespace

TEST_CASE("the ID token names the user and nothing else, and the JWKS verifies it") {
    Discord discord;
    const auto code =
        discord.code(demo::fern, {
                                     {"scope", "openid identify"},
                                     {"nonce", "n-0S6_WzA2Mj"   }
    });
    const auto answer = body_of(discord.post("/api/oauth2/token", Discord::exchange(code)));
    const Jwt token(answer["id_token"]);
    CHECK(token.head["alg"] == "RS256");
    CHECK(token.claims["iss"] == discord.sim.base_url());
    CHECK(token.claims["aud"] == demo::client_id);
    CHECK(token.claims["sub"] == demo::fern.to_string());
    CHECK(token.claims["nonce"] == "n-0S6_WzA2Mj");
    CHECK(token.claims["exp"] > token.claims["iat"]);
    CHECK(token.claims.size() == 6);

    const auto before = body_of(discord.get("/api/v10/oauth2/keys"))["keys"];
    REQUIRE(before.size() == 1);
    CHECK(before[0]["kid"] == token.head["kid"]);
    CHECK(verify(before[0], token.text, token.signature));
    CHECK_FALSE(verify(before[0], token.text + "x", token.signature));

    discord.control("keys", json::object());
    const auto both = body_of(discord.get("/api/v10/oauth2/keys"))["keys"];
    REQUIRE(both.size() == 2);
    CHECK(both[1] == before[0]);
    discord.control("keys", {
                                {"forget", true}
    });
    const auto after = body_of(discord.get("/api/v10/oauth2/keys"))["keys"];
    CHECK(after.size() == 1);
    CHECK(after[0] != before[0]);
}

TEST_CASE("without openid there is neither an ID token nor userinfo") {
    Discord discord;
    const auto plain = discord.login(demo::fern);
    CHECK_FALSE(plain.contains("id_token"));
    CHECK(discord.as(plain["access_token"], "/oauth2/userinfo")->status == 401);
}

TEST_CASE("userinfo tells what the other scopes allow") {
    Discord discord;
    const auto info = [&](Snowflake user, const std::string& scopes) {
        return body_of(discord.as(discord.access_token(user, scopes), "/oauth2/userinfo"));
    };
    const json least = {
        {"sub", demo::fern.to_string()}
    };
    CHECK(info(demo::fern, "openid") == least);
    const auto all = info(demo::fern, "openid identify email");
    CHECK(all["email"] == "fern@example.com");
    CHECK(all["email_verified"] == true);
    CHECK(all["preferred_username"] == "fern");
    CHECK(all["nickname"] == "Fern");
    const std::string picture = all["picture"];
    CHECK(discord.http.Get(picture.substr(discord.sim.base_url().size()))->status == 200);
    CHECK(info(demo::pip, "openid email")["email"].is_null());
}

TEST_CASE("the discovery document has Discord's seven keys and its gaps") {
    Discord discord;
    const auto found = body_of(discord.http.Get("/.well-known/openid-configuration"));
    CHECK(found.size() == 7);
    CHECK(found["issuer"] == discord.sim.base_url());
    CHECK(found["token_endpoint"] == discord.sim.base_url() + "/api/oauth2/token");
    CHECK_FALSE(found.contains("userinfo_endpoint"));
}
