#include <doctest/doctest.h>

#include "core/crypto.hpp"
#include "core/session_repository.hpp"

namespace cordgate {

TEST_CASE("a SessionToken comes back from its cookie, and its digest is the store's key") {
    const auto token = SessionToken::make();
    const auto parsed = SessionToken::parse(token.secret().reveal());
    REQUIRE(parsed);
    CHECK(parsed->secret().equals(token.secret().reveal()));
    CHECK(parsed->digest() == token.digest());
    CHECK(token.digest() == sha256(token.secret().reveal()));
    CHECK(token.digest().size() == 32);
    CHECK_FALSE(SessionToken::make().digest() == token.digest());
}

TEST_CASE("ill-formed cookies never become a SessionToken, D12, G25") {
    const std::string good(43, 'A');
    REQUIRE(SessionToken::parse(good));
    const std::string bad[] = {
        "",
        good.substr(1),              // a byte less
        good + 'A',                  // a byte more
        good + '=',                  // padded
        std::string(42, 'A') + 'B',  // bits behind the last byte
        std::string(42, 'A') + '+',  // the other alphabet
        std::string(42, 'A') + '%',  // url-encoded
        '"' + std::string(41, 'A') + '"',
        std::string(42, 'A') + '\0',
        std::string(42, 'A') + '\'',
        std::string(10'000, 'A'),
    };
    for (const auto& text : bad) {
        CAPTURE(text.size());
        CHECK_FALSE(SessionToken::parse(text));
    }
}

}  // namespace cordgate
