#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>

#include "cmd/discord-sim/grants.hpp"

namespace cordgate::sim {

/// A device that waits until somebody types its code elsewhere (RFC 8628).
struct DeviceLogin {
    std::string user_code{};
    Scopes scopes{};
    TimePoint expires{};
    TimePoint may_poll{};
    std::optional<Snowflake> user{};  ///< who agreed
    bool denied = false;
};

/// The devices that wait. Not thread-safe: the Service holds its lock.
class Devices {
public:
    static constexpr std::chrono::seconds lifetime{1800};
    static constexpr std::chrono::seconds interval{5};

    /// Returns the device code.
    std::string begin(Scopes scopes, TimePoint now);
    /// By what the person typed, or by the device's own code; nullptr: unknown or expired.
    DeviceLogin* by_user_code(std::string_view code, TimePoint now);
    DeviceLogin* by_device_code(std::string_view code);
    /// Who agreed to what, once; until then one of the errors of RFC 8628, 3.5.
    std::variant<DeviceLogin, OAuthError> poll(std::string_view code, TimePoint now);
    void clear() { waiting_.clear(); }

private:
    std::map<std::string, DeviceLogin, std::less<>> waiting_;
};

}  // namespace cordgate::sim
