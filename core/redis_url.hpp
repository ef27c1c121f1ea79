#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.hpp"
#include "core/secret.hpp"

namespace cordgate {

/// Where a Redis is and how to log in there:
///
///     redis://[[user]:password@]host[:port][/database]
///     rediss://...                 the same over TLS, [?ca_file=PATH]
///     redis+unix:PATH              [?db=NUMBER]
///     redis+unix://[user]:password@PATH[?db=NUMBER]
///
/// User, password and path are percent-decoded.
struct RedisUrl {
    bool tls = false;
    std::string host;  ///< without brackets; empty for a unix socket
    std::uint16_t port = 6379;
    std::string unix_path;
    std::string user;  ///< empty: Redis' "default"
    Secret password;   ///< empty: no login
    unsigned database = 0;
    std::string ca_file;  ///< trusted instead of the system's authorities; empty: those

    /// An Error whose detail says what is wrong and never repeats the text, which
    /// may hold a password.
    static Result<RedisUrl> parse(std::string_view text);
    /// Whether `text` means a Redis, well-formed or not.
    static bool is_meant(std::string_view text);
    /// As it would be written, with the password masked.
    std::string shown() const;
};

}  // namespace cordgate
