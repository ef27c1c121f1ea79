#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "core/clock.hpp"
#include "core/discord/api.hpp"
#include "core/discord/http.hpp"
#include "core/secret.hpp"

namespace cordgate::discord {

struct ClientOptions {
    std::string api_url = "https://discord.com/api/v10";
    std::string client_id;
    Secret client_secret;
    Secret bot_token;     ///< empty: calls as the bot are refused
    std::string ca_file;  ///< extra CA certificates, PEM; may be empty
    std::chrono::seconds connect_timeout{5};
    std::chrono::seconds total_timeout{10};  ///< one call, with name look-up, waits and retries
    std::chrono::seconds longest_wait{5};  ///< for a rate limit; beyond it the caller is told when
    std::size_t max_response_bytes = 1 << 20;
    std::string version = "0.1.0";  ///< for the User-Agent
    Now now = Clock::now;
    /// What rate limits are reckoned in: a clock that never jumps.
    std::function<std::chrono::steady_clock::time_point()> ticks = std::chrono::steady_clock::now;
    Resolve resolve = resolve_host;
};

/// Api over HTTPS: keep-alive connections, our own User-Agent, deadlines, a cap on
/// answers, certificates verified, redirects never followed; Discord's rate limits
/// kept in a fair queue. Throws std::invalid_argument when an option cannot be used.
std::unique_ptr<Api> make_client(ClientOptions options);

}  // namespace cordgate::discord
