// What is taken out of a Cookie header is gone, and what is left stood there.

#include <string>

#include "core/cookie.hpp"
#include "core/session_repository.hpp"
#include "support.hpp"

using namespace cordgate;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto header = fuzz::as_text(data, size);
    const std::vector<std::string> ours{"__Host-cordgate", "__Host-cordgate-login"};
    const auto kept = without_cookies(header, ours);
    require(kept.size() <= header.size(), "grew");
    for (const auto& name : ours) {
        require(cookie_values(kept, name).empty(), "B32: one of ours is left");
    }
    require(without_cookies(kept, ours) == kept, "not stable");
    require(cookie_values(kept, "other") == cookie_values(header, "other"), "another one changed");
    for (const auto value : cookie_values(header, ours[0])) {
        require(value.data() >= header.data() &&
                    value.data() + value.size() <= header.data() + header.size(),
                "a value from elsewhere");
        if (const auto token = SessionToken::parse(value)) {
            require(token->digest().size() == 32, "digest");
            require(token->secret().reveal() == value, "token changed");
        }
    }
    const auto name = set_cookie_name(header);
    require(name.size() <= header.size(), "name longer than its header");
    return 0;
}
