#include "core/secret.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <new>
#include <type_traits>

#include "core/random.hpp"

namespace cordgate {

TEST_CASE("a Secret compares by content and in no other way, CVE-2026-77582") {
    const Secret secret("open sesame");
    CHECK(secret.equals("open sesame"));
    CHECK_FALSE(secret.equals("open sesamE"));
    CHECK_FALSE(secret.equals("open"));
    CHECK_FALSE(secret.equals(""));
    CHECK(Secret().equals(""));
    CHECK(secret.size() == 11);
    CHECK(Secret().empty());
    CHECK_FALSE(std::is_convertible_v<Secret, std::string>);
    CHECK_FALSE(std::is_convertible_v<std::string, Secret>);
}

TEST_CASE("copies of a Secret live on when the original goes, moved ones are gone") {
    for (const std::string text : {"short", "long enough to live on the heap, not in the object"}) {
        CAPTURE(text.size());
        Secret first{text};
        Secret copy = first;
        Secret moved = std::move(first);
        CHECK(first.empty());  // NOLINT: what is left is the point
        CHECK(copy.equals(text));
        CHECK(moved.equals(text));

        const Secret& alias = copy;
        copy = alias;
        CHECK(copy.equals(text));
        copy = Secret("other");
        CHECK(copy.equals("other"));
        copy = moved;
        CHECK(copy.equals(text));
    }
}

TEST_CASE("a short Secret leaves none of its bytes in the memory it had") {
    alignas(Secret) unsigned char memory[sizeof(Secret)] = {};
    auto* const secret = new (memory) Secret("hunter2");
    SUBCASE("when it dies") {
        secret->~Secret();
    }
    SUBCASE("when it is moved away") {
        const Secret taken = std::move(*secret);
        CHECK(taken.equals("hunter2"));
    }
    SUBCASE("when something shorter takes its place") {
        *secret = Secret("x");
    }
    const std::string_view left(reinterpret_cast<const char*>(memory), sizeof memory);
    CHECK(left.find("unter") == std::string_view::npos);
}

}  // namespace cordgate
