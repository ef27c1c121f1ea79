#pragma once

#include <optional>
#include <string>
#include <variant>

#include "cmd/discord-sim/message.hpp"
#include "cmd/discord-sim/scopes.hpp"
#include "core/snowflake.hpp"

namespace cordgate::sim {

struct Application;

/// An authorization request of the application, whose redirect_uri is registered.
struct AuthorizeRequest {
    Scopes scopes{};
    std::string redirect_uri{};
    std::string challenge{};
    std::optional<std::string> challenge_method{};
    std::optional<std::string> state{};
    std::string nonce{};
    std::uint64_t permissions = 0;
    std::optional<Snowflake> guild{};  ///< preselected
    std::optional<Snowflake> channel{};
    bool only_this_guild = false;
    bool prompt_none = false;
    bool is_bare = false;  ///< without response_type: nobody waits for a code
};

/// Why a page has to be shown instead: without a redirect_uri that can be
/// trusted there is nowhere to go back to.
struct Refusal {
    const char* what;
    std::string why;
};

std::variant<AuthorizeRequest, Refusal> read_authorize_request(const Call& call,
                                                               const Application& application);

}  // namespace cordgate::sim
