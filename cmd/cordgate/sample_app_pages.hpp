#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cordgate::sample {

/// A request as the sample application received it, fields in their order.
struct Request {
    std::string path;  ///< without the query
    std::vector<std::pair<std::string, std::string>> headers;

    /// The first field called `name`, in any case; empty when there is none.
    std::string_view header(std::string_view name) const;
};

struct Answer {
    int status = 200;
    std::string_view content_type;
    std::string body;
    std::string policy;  ///< Content-Security-Policy; empty: none
};

/// Whom the WebSocket greets: X-Discord-User-Display-Name, decoded, or "stranger".
std::string display_name(const Request& request);

/// The page, style or script at `request.path`; a 404 page when there is none.
Answer answer(const Request& request);

}  // namespace cordgate::sample
