#include "proxy/recent_token.hpp"

#include <doctest/doctest.h>

#include "core/crypto.hpp"

namespace cordgate::proxy::test {

TEST_CASE("a token's digest is its own, whatever was shown before on this connection") {
    RecentToken recent;
    const auto one = SessionToken::make();
    const auto two = SessionToken::make();
    for (const auto* token : {&one, &one, &two, &one, &two, &two}) {
        const auto digest = recent.digest_of(token->secret().reveal());
        REQUIRE(digest);
        CHECK(*digest == token->digest());
    }
}

TEST_CASE("what is no token has no digest, before and after one that is") {
    RecentToken recent;
    const auto token = SessionToken::make().secret().reveal();
    const std::string wrong[] = {"",          token + "A", token.substr(1),    token + "\n",
                                 " " + token, "x",         token.substr(0, 42)};
    for (int round = 0; round < 2; ++round) {
        for (const auto& text : wrong) CHECK_FALSE(recent.digest_of(text));
        CHECK(recent.digest_of(token) == std::string_view(sha256(token)));
    }
}

}  // namespace cordgate::proxy::test
