#include "proxy/internal_access.hpp"

#include "core/ascii.hpp"
#include "core/url.hpp"
#include "proxy/client_address.hpp"
#include "proxy/internal_problem.hpp"

namespace cordgate::proxy {
namespace {

/// Whether Host names this machine or an address: a name that somebody made to lead
/// here (DNS rebinding) does not.
bool is_plain_host(std::string_view host) {
    if (host.empty()) return true;  // HTTP/1.0: no browser's
    const auto origin = Origin::parse("http://" + std::string(host));
    return origin && (origin->is_loopback() || IpAddress::parse(origin->host).has_value());
}

}  // namespace

std::optional<Reply> refuse_caller(const config::Internal& settings,
                                   const http::RequestHead& head) {
    if (head.find("Origin") || head.find("Sec-Fetch-Site")) {
        return problem(
            {403, "forbidden", "The internal API is not for browsers.", "foreign_origin"});
    }
    if (head.path == "/healthz" || head.path == "/readyz") return std::nullopt;
    if (settings.token.empty()) {
        if (is_plain_host(head.host)) return std::nullopt;
        return problem({403, "forbidden",
                        "Without internal.token, Host must be localhost or an address.",
                        "foreign_host"});
    }
    const auto given = head.value("Authorization");
    const bool is_bearer = iequals(given.substr(0, 7), "bearer ");
    if (is_bearer && settings.token.equals(trim(given.substr(7)))) return std::nullopt;
    auto out = problem({401, "unauthorized", "The bearer token internal.token is needed."});
    out.add("WWW-Authenticate", "Bearer");
    return out;
}

std::optional<Reply> refuse_body(const http::RequestHead& head) {
    if (head.framing == http::Framing::chunked) {
        return problem({411, "invalid_request", "A body needs a Content-Length."});
    }
    if (head.content_length > max_internal_body) {
        return problem({413, "invalid_request", "A body has at most 1 MiB."});
    }
    if (head.find("Content-Encoding")) {
        return problem({415, "invalid_request", "A body must not be compressed."});
    }
    return std::nullopt;
}

}  // namespace cordgate::proxy
