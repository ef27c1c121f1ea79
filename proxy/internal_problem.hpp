#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/discord/failure.hpp"
#include "core/error.hpp"
#include "proxy/reply.hpp"

namespace cordgate::proxy {

/// A refusal of the internal API (RFC 9457), and what a program may want to know of it.
struct InternalProblem {
    int status = 400;
    std::string_view code = "invalid_request";
    std::string detail = {};  ///< for people; holds nothing secret
    std::string_view reason =
        {};  ///< of unauthorized, forbidden, and of a session that is not there
    /// Of rate_limited and discord_unavailable.
    std::optional<std::chrono::milliseconds> retry_after = {};
    std::shared_ptr<const discord::Refusal> refusal = {};  ///< what Discord said
    bool ended = false;                                    ///< the session was ended all the same
};
Reply problem(const InternalProblem& problem);

Reply invalid_request(std::string detail);
Reply no_such_session();
/// What a failed call means to the application. `session`: whose call it was, null for
/// the bot's; `scope`: what the call needs, where that is known.
InternalProblem explain(const Error& error, const Session* session, std::string_view scope,
                        TimePoint now);

}  // namespace cordgate::proxy
