#include "proxy/visitor_share.hpp"

#include <doctest/doctest.h>

namespace cordgate::proxy::test {

TEST_CASE("M15 J21 one visitor gets a few places, whatever others have, and gives them back") {
    VisitorShare share;
    const Snowflake ann{1};
    const Snowflake bob{2};
    {
        const auto first = share.enter(ann);
        auto second = share.enter(ann);
        CHECK(first);
        CHECK(second);
        CHECK_FALSE(share.enter(ann));
        CHECK(share.enter(bob));
        const auto moved = std::move(second);
        CHECK_FALSE(share.enter(ann));
    }
    CHECK(share.enter(ann));
}

}  // namespace cordgate::proxy::test
