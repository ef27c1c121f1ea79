#include <doctest/doctest.h>

#include <bit>

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

TEST_CASE("G5 of tokens that are alike nothing is alike in what is looked up for them") {
    const auto token = SessionToken::make().secret().reveal();
    const auto key = *SessionToken::digest_of(token);
    for (std::size_t i = 0; i < 42; ++i) {
        CAPTURE(i);
        auto guess = token;  // right but for one character
        guess[i] = guess[i] == 'A' ? 'B' : 'A';
        const auto asked = SessionToken::digest_of(guess);
        REQUIRE(asked);
        int differ = 0;
        for (std::size_t at = 0; at < key.size(); ++at) {
            const auto bits = static_cast<unsigned char>(key[at] ^ (*asked)[at]);
            differ += std::popcount(bits);
        }
        CHECK(differ > 64);  // of 256, where half are to be expected
    }
}

}  // namespace cordgate
