#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "proxy/http/head_text.hpp"
#include "proxy/pages.hpp"

namespace cordgate::proxy {

/// A small response of our own. Never cached unless it says so, and with the
/// headers that all of our pages have.
struct Reply {
    int status = 200;
    std::string content_type;
    std::string body;
    /// Content-Security-Policy of a page; empty for what is not a page.
    std::string csp;
    bool has_form = false;
    std::vector<std::pair<std::string, std::string>> fields;
    bool close = false;  ///< nothing more may be read from this client
    bool framed = true;  ///< false: no Content-Length, for an answer without content

    void add(std::string name, std::string value) {
        fields.emplace_back(std::move(name), std::move(value));
    }
};

namespace reply {

/// Retry-After where nobody has told how long, in seconds.
inline constexpr const char* usual_wait = "5";

/// A refusal with the texts of its status, as page or problem document.
Reply refusal(const PageContext& context, int status);
/// The only mapping from an Error to a status.
int status_of(const Error& error);
Reply from_error(const PageContext& context, const Error& error);
Reply page(int status, std::string html);
Reply json(int status, std::string body);
Reply problem(int status, std::string body);
Reply text(int status, std::string body);
Reply redirect(int status, std::string location);

}  // namespace reply

/// Status line, fields and empty line; the body follows unless it was HEAD.
void append_head(http::HeadText& out, const Reply& reply, const http::RequestHead& request,
                 std::string_view request_id, bool keep_alive);

/// "Not Found"; "Unknown" for a status that we never send.
std::string_view reason_phrase(int status);

/// Whether the Accept fields name HTML, so that a page makes sense.
bool accepts_html(const http::RequestHead& head);
/// The same of a head that could not be read, as far as it came.
bool mentions_html(std::string_view head);
/// A visitor going to a page, who can follow a redirect to a login: GET or HEAD
/// that accepts HTML, with Sec-Fetch-Mode navigate or absent.
bool is_navigation(const http::RequestHead& head);

}  // namespace cordgate::proxy
