#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/resolver.hpp"
#include "core/result.hpp"
#include "core/url.hpp"

namespace cordgate::discord {

using Headers = std::vector<std::pair<std::string, std::string>>;

/// One answer over HTTP, whatever its status.
struct HttpAnswer {
    int status = 0;
    Headers headers;
    std::string body;

    /// The first value under `name` in any case; empty when there is none.
    std::string header(std::string_view name) const;
    /// Only what says that it is JSON may meet a parser: error pages of proxies
    /// and edge servers come under any status.
    bool is_json() const;
    /// HTML: made for people, by something that is not the API.
    bool is_page() const;
};

struct HttpCall {
    std::string method = "GET";
    std::string target;
    Headers headers;
    std::string body;
    /// For what must not be sent twice: on a connection that cannot have been
    /// closed while it idled.
    bool on_fresh_connection = false;
};

struct HttpOptions {
    Origin origin;
    std::string ca_file;  ///< extra CA certificates, PEM; may be empty
    std::chrono::milliseconds connect_timeout{5000};
    std::size_t max_response_bytes = 1 << 20;
    Resolve resolve = resolve_host;
};

/// HTTP/1.1 to one origin: keep-alive connections, certificates verified, no
/// redirect followed, no answer beyond its cap or its deadline. Thread-safe.
///
/// Failures have the source `discord`: unavailable (no connection, broken off),
/// timed_out, malformed_reply (too large, compressed unasked).
/// Throws std::invalid_argument when `ca_file` cannot be read.
class HttpClient {
public:
    explicit HttpClient(HttpOptions options);
    ~HttpClient();

    Result<HttpAnswer> send(const HttpCall& call, std::chrono::steady_clock::time_point deadline);

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace cordgate::discord
