#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "core/clock.hpp"
#include "core/discord/api.hpp"
#include "core/secret.hpp"

namespace cordgate::discord {

struct ClientOptions {
    std::string api_url = "https://discord.com/api/v10";
    std::string client_id;
    Secret client_secret;
    std::string ca_file;  ///< extra CA certificates, PEM; may be empty
    std::chrono::seconds connect_timeout{5};
    std::chrono::seconds total_timeout{10};  ///< one call, retries included
    std::size_t max_response_bytes = 1 << 20;
    std::string version = "0.1.0";  ///< for the User-Agent
    Now now = Clock::now;
};

/// Api over HTTPS with cpp-httplib: keep-alive connections in a small pool, our
/// own User-Agent, deadlines, a cap on answers, certificates verified, redirects
/// never followed. Throws std::invalid_argument when an option cannot be used.
std::unique_ptr<Api> make_client(ClientOptions options);

}  // namespace cordgate::discord
