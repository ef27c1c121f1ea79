#pragma once

#include <chrono>
#include <string>

#include "core/clock.hpp"
#include "core/secret.hpp"

namespace cordgate {

/// A login between /login and /callback, kept on the server under its state.
struct PendingLogin {
    static constexpr std::chrono::minutes lifetime{10};
    static constexpr std::size_t max_per_browser = 5;
    static constexpr std::size_t max_data_bytes = 1024;

    std::string browser;    ///< SHA-256 of the login cookie: who may finish it
    Secret verifier;        ///< PKCE (RFC 7636, 4.1); empty when the profile cannot use it
    std::string return_to;  ///< a checked ReturnPath, checked again at the callback
    std::string profile;    ///< empty: the default one
    std::string data;       ///< JSON text; may be empty
    TimePoint created_at;
};

}  // namespace cordgate
