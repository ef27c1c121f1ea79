#include "proxy/reply.hpp"

#include <algorithm>

#include "core/ascii.hpp"
#include "proxy/access_log.hpp"
#include "proxy/http/date.hpp"

namespace cordgate::proxy {
namespace {

struct Phrase {
    int status;
    std::string_view text;
};

constexpr Phrase phrases[] = {
    {200, "OK"                             },
    {201, "Created"                        },
    {202, "Accepted"                       },
    {204, "No Content"                     },
    {302, "Found"                          },
    {303, "See Other"                      },
    {304, "Not Modified"                   },
    {400, "Bad Request"                    },
    {401, "Unauthorized"                   },
    {403, "Forbidden"                      },
    {404, "Not Found"                      },
    {405, "Method Not Allowed"             },
    {408, "Request Timeout"                },
    {409, "Conflict"                       },
    {410, "Gone"                           },
    {411, "Length Required"                },
    {413, "Content Too Large"              },
    {414, "URI Too Long"                   },
    {415, "Unsupported Media Type"         },
    {417, "Expectation Failed"             },
    {421, "Misdirected Request"            },
    {429, "Too Many Requests"              },
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"          },
    {501, "Not Implemented"                },
    {502, "Bad Gateway"                    },
    {503, "Service Unavailable"            },
    {504, "Gateway Timeout"                },
    {505, "HTTP Version Not Supported"     },
};

/// Whether one element of Accept names an HTML type that is not refused by q=0.
bool names_html(std::string_view item) {
    const auto semicolon = item.find(';');
    const auto type = trim(item.substr(0, semicolon));
    if (!iequals(type, "text/html") && !iequals(type, "application/xhtml+xml")) return false;
    if (semicolon == std::string_view::npos) return true;
    const auto parameters = lowercase(item.substr(semicolon));
    const auto q = parameters.find("q=");
    if (q == std::string::npos) return true;
    const auto weight = parameters.substr(q, parameters.find(';', q) - q);
    return weight.find_first_of("123456789") != std::string::npos;
}

/// The same of the value of an Accept field.
bool lists_html(std::string_view list) {
    while (!list.empty()) {
        const auto comma = list.find(',');
        if (names_html(list.substr(0, comma))) return true;
        if (comma == std::string_view::npos) break;
        list.remove_prefix(comma + 1);
    }
    return false;
}

}  // namespace

namespace reply {

Reply page(int status, std::string html) {
    Reply out;
    out.status = status;
    out.content_type = html_type;
    out.body = std::move(html);
    out.csp = content_security_policy();
    return out;
}

Reply json(int status, std::string body) {
    Reply out;
    out.status = status;
    out.content_type = "application/json";
    out.body = std::move(body);
    return out;
}

Reply problem(int status, std::string body) {
    auto out = json(status, std::move(body));
    out.content_type = problem_type;
    return out;
}

Reply text(int status, std::string body) {
    auto out = json(status, std::move(body));
    out.content_type = "text/plain; charset=utf-8";
    return out;
}

Reply redirect(int status, std::string location) {
    Reply out;
    out.status = status;
    out.add("Location", std::move(location));
    return out;
}

Reply refusal(const PageContext& context, int status) {
    auto rendered = proxy::refusal(context, status);
    auto out = rendered.content_type == html_type ? page(status, std::move(rendered.body))
                                                  : problem(status, std::move(rendered.body));
    out.content_type = rendered.content_type;
    return out;
}

int status_of(const Error& error) {
    switch (error.source) {
        case ErrorSource::client:
            switch (error.kind) {
                case ErrorKind::timed_out: return 408;
                case ErrorKind::too_large: return 413;
                case ErrorKind::unauthorized: return 401;
                case ErrorKind::forbidden: return 403;
                case ErrorKind::not_found: return 404;
                case ErrorKind::rate_limited: return 429;
                default: return 400;
            }
        case ErrorSource::upstream: return error.kind == ErrorKind::timed_out ? 504 : 502;
        case ErrorSource::discord:
            return error.kind == ErrorKind::malformed_reply || error.kind == ErrorKind::forbidden
                       ? 502
                       : 503;
        case ErrorSource::store: return 503;  // damaged, too: it may be restored
        case ErrorSource::gate: return error.kind == ErrorKind::unavailable ? 503 : 500;
    }
    return 500;
}

Reply from_error(const PageContext& context, const Error& error) {
    if (error.source == ErrorSource::store) log_store_failure(error);
    auto told = context;
    told.wait = error.retry_after;
    auto out = reply::refusal(told, status_of(error));
    if (error.retry_after) {
        const auto seconds = std::chrono::ceil<std::chrono::seconds>(*error.retry_after).count();
        out.add("Retry-After", std::to_string(seconds));
    } else if (out.status == 503) {
        out.add("Retry-After", usual_wait);
    }
    return out;
}

}  // namespace reply

std::string_view reason_phrase(int status) {
    for (const auto& phrase : phrases) {
        if (phrase.status == status) return phrase.text;
    }
    return "Unknown";
}

void append_head(http::HeadText& out, const Reply& reply, const http::RequestHead& request,
                 std::string_view request_id, bool keep_alive) {
    out.status_line(reply.status, reason_phrase(reply.status));
    out.add("Date", http::date_now());  // RFC 9110, 6.6.1
    bool cacheable = false;
    for (const auto& [name, value] : reply.fields) {
        cacheable = cacheable || iequals(name, "cache-control");
        out.add(name, value);
    }
    if (!reply.content_type.empty()) out.add("Content-Type", reply.content_type);
    for (const auto& field : page_headers(reply.has_form)) {
        if (cacheable && iequals(field.name, "cache-control")) continue;
        out.add(field.name, field.value);
    }
    if (!reply.csp.empty()) out.add("Content-Security-Policy", reply.csp);
    if (!request_id.empty()) out.add("X-Request-Id", request_id);
    if (reply.framed && reply.status != 204 && reply.status != 304) {
        out.add_number("Content-Length", reply.body.size());
    }
    if (!keep_alive) {
        out.add("Connection", "close");
    } else if (request.minor_version == 0) {
        out.add("Connection", "keep-alive");
    }
    out.end();
}

bool accepts_html(const http::RequestHead& head) {
    return std::ranges::any_of(head.fields, [](const auto& field) {
        return field.known == http::FieldName::accept && lists_html(field.value);
    });
}

bool mentions_html(std::string_view head) {
    constexpr std::string_view accept = "accept:";
    while (!head.empty()) {
        const auto end = head.find('\n');
        const auto line = head.substr(0, std::min(end, head.find('\r')));
        if (iequals(line.substr(0, accept.size()), accept) &&
            lists_html(line.substr(accept.size()))) {
            return true;
        }
        if (end == std::string_view::npos) break;
        head.remove_prefix(end + 1);
    }
    return false;
}

bool is_navigation(const http::RequestHead& head) {
    if (head.method != "GET" && head.method != "HEAD") return false;
    if (head.wants_upgrade()) return false;  // a handshake cannot follow a redirect
    const auto mode = head.value("sec-fetch-mode");
    return (mode.empty() || iequals(mode, "navigate")) && accepts_html(head);
}

}  // namespace cordgate::proxy
