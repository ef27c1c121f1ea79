#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/url.hpp"

namespace cordgate {

/// What a return path may be: our own origin, the hosts an operator allowed
/// besides it, and the paths that would loop or log somebody out.
struct ReturnPathPolicy {
    Origin own;
    /// `login.allowed_redirect_hosts`: "app.example.com", "app.example.com:8443",
    /// or ".example.com" for every name under it (on a label border).
    std::vector<std::string> allowed_hosts;
    /// /login, /callback, /logout and the prefix: no target of a return.
    std::vector<std::string> reserved;
};

/// The page a visitor goes back to after logging in or out.
///
/// Only `parse` makes one, so holding a ReturnPath proves it was checked: no
/// browser can read it as a place outside this site and the allowed hosts.
class ReturnPath {
public:
    static constexpr std::size_t max_size = 2048;

    /// Checks the `rd` query parameter, percent-decoded once.
    ///
    /// Returns nullopt when `raw` is not provably ours; the caller then falls
    /// back to "/". See RFC 9700, 4.11 (open redirection).
    static std::optional<ReturnPath> parse(std::string_view raw, const ReturnPathPolicy& policy);

    static ReturnPath root() { return ReturnPath("/"); }

    /// "/path?query#fragment", or an absolute URL on an allowed host.
    const std::string& str() const { return text_; }
    bool operator==(const ReturnPath&) const = default;

private:
    explicit ReturnPath(std::string text) : text_(std::move(text)) {}

    std::string text_;
};

}  // namespace cordgate
