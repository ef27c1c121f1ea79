#include "proxy/reply.hpp"

#include <map>

#include "support.hpp"

namespace cordgate::proxy::test {
namespace {

const PageContext page_context{"/_cordgate", "req-1", true, "app.example.com"};
const PageContext program_context{"/_cordgate", "req-1", false, "app.example.com"};

constexpr ErrorKind kinds[] = {
    ErrorKind::bad_request, ErrorKind::too_large,   ErrorKind::unauthorized,
    ErrorKind::forbidden,   ErrorKind::not_found,   ErrorKind::rate_limited,
    ErrorKind::timed_out,   ErrorKind::unavailable, ErrorKind::malformed_reply,
    ErrorKind::closed,      ErrorKind::internal,
};

std::string head_of(const Reply& reply, const http::RequestHead& request = {},
                    bool keep_alive = true) {
    http::HeadText out;
    append_head(out, reply, request, "req-1", keep_alive);
    return std::string(out.view());
}

std::size_t count(std::string_view text, std::string_view part) {
    std::size_t found = 0;
    for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
    return found;
}

}  // namespace

TEST_CASE("an error's kind and source decide its status, every pair of them") {
    struct Case {
        ErrorKind kind;
        int client, upstream, discord, store, gate;
    };
    // clang-format off
    constexpr Case cases[] = {
        {ErrorKind::bad_request, 400, 502, 503, 503, 500},
        {ErrorKind::too_large, 413, 502, 503, 503, 500},
        {ErrorKind::unauthorized, 401, 502, 503, 503, 500},
        {ErrorKind::forbidden, 403, 502, 502, 503, 500},
        {ErrorKind::not_found, 404, 502, 503, 503, 500},
        {ErrorKind::rate_limited, 429, 502, 503, 503, 500},
        {ErrorKind::timed_out, 408, 504, 503, 503, 500},
        {ErrorKind::unavailable, 400, 502, 503, 503, 503},
        {ErrorKind::malformed_reply, 400, 502, 502, 503, 500},
        {ErrorKind::closed, 400, 502, 503, 503, 500},
        {ErrorKind::internal, 400, 502, 503, 503, 500},
    };
    // clang-format on
    CHECK(std::size(cases) == std::size(kinds));
    for (const auto& c : cases) {
        CAPTURE(to_string(c.kind));
        CHECK(reply::status_of({c.kind, ErrorSource::client, ""}) == c.client);
        CHECK(reply::status_of({c.kind, ErrorSource::upstream, ""}) == c.upstream);
        CHECK(reply::status_of({c.kind, ErrorSource::discord, ""}) == c.discord);
        CHECK(reply::status_of({c.kind, ErrorSource::store, ""}) == c.store);
        CHECK(reply::status_of({c.kind, ErrorSource::gate, ""}) == c.gate);
    }
}

TEST_CASE(
    "no failure of store, Discord or gate looks like success or like a logout, L-rows "
    "oauth2-proxy #4") {
    for (const auto kind : kinds) {
        for (const auto source :
             {ErrorSource::upstream, ErrorSource::discord, ErrorSource::store, ErrorSource::gate}) {
            const auto status = reply::status_of({kind, source, ""});
            CAPTURE(to_string(kind));
            CAPTURE(to_string(source));
            CHECK(status >= 500);
            CHECK(status <= 504);
        }
    }
}

TEST_CASE("an error's detail is for the log, never for the visitor, J25") {
    for (const auto* context : {&page_context, &program_context}) {
        const Error error{ErrorKind::unavailable, ErrorSource::store,
                          "/var/lib/secret.db is locked"};
        const auto reply = reply::from_error(*context, error);
        CHECK(reply.status == 503);
        CHECK(reply.body.find("secret.db") == std::string::npos);
        CHECK(reply.body.find("req-1") != std::string::npos);
    }
}

TEST_CASE("503 and 429 say when to come back") {
    const auto retry = [](Error error) {
        const auto reply = reply::from_error(page_context, error);
        for (const auto& [name, value] : reply.fields) {
            if (name == "Retry-After") return value;
        }
        return std::string("none");
    };
    CHECK(retry({ErrorKind::unavailable, ErrorSource::store, ""}) == "5");
    CHECK(retry({ErrorKind::unavailable, ErrorSource::discord, "", 1500ms}) == "2");
    CHECK(retry({ErrorKind::rate_limited, ErrorSource::client, "", 60s}) == "60");
    CHECK(retry({ErrorKind::unavailable, ErrorSource::upstream, ""}) == "none");
}

TEST_CASE("each status that we send has a phrase, a page and a problem document, J25") {
    for (const int status : {400, 401, 403, 404, 405, 408, 413, 414, 417, 421, 429, 431, 500, 501,
                             502, 503, 504, 505}) {
        CAPTURE(status);
        CHECK(reason_phrase(status) != "Unknown");
        const auto page = reply::refusal(page_context, status);
        CHECK(page.status == status);
        CHECK(page.content_type == html_type);
        CHECK_FALSE(page.csp.empty());
        const auto problem = reply::refusal(program_context, status);
        CHECK(problem.status == status);
        CHECK(problem.content_type == problem_type);
        CHECK(problem.body.front() == '{');
    }
    CHECK(reason_phrase(299) == "Unknown");
}

TEST_CASE("the head of a reply is framed, never cached, and closes when it must, B38 J25") {
    http::RequestHead request;
    const auto page = head_of(reply::refusal(page_context, 404), request);
    CHECK(page.starts_with("HTTP/1.1 404 Not Found\r\n"));
    CHECK(page.ends_with("\r\n\r\n"));
    CHECK(count(page, "\r\nContent-Length: ") == 1);
    CHECK(count(page, "Cache-Control: ") == 1);
    CHECK(page.find("Cache-Control: no-store\r\n") != std::string::npos);
    CHECK(page.find("X-Request-Id: req-1\r\n") != std::string::npos);
    CHECK(page.find("Content-Security-Policy: ") != std::string::npos);
    CHECK(count(page, "\r\nConnection:") == 0);
    CHECK(head_of(reply::text(200, "ok"), request, false).find("Connection: close\r\n") !=
          std::string::npos);
    request.minor_version = 0;
    CHECK(head_of(reply::text(200, "ok"), request).find("Connection: keep-alive\r\n") !=
          std::string::npos);

    Reply cached = reply::text(200, "ok");
    cached.add("cache-control", "public, max-age=60");
    const auto head = head_of(cached);
    CHECK(head.find("no-store") == std::string::npos);
    CHECK(head.find("cache-control: public, max-age=60\r\n") != std::string::npos);

    Reply empty;
    empty.status = 204;
    CHECK(head_of(empty).find("Content-Length") == std::string::npos);
    const auto redirect = head_of(reply::redirect(302, "/login?rd=%2F"));
    CHECK(redirect.find("Location: /login?rd=%2F\r\n") != std::string::npos);
    CHECK(redirect.find("Content-Length: 0\r\n") != std::string::npos);
    CHECK(redirect.find("Cache-Control: no-store\r\n") != std::string::npos);

    // What we write must stand before our own parser.
    CHECK(feed_response(page, 1).status == accepted);
    CHECK(feed_response(redirect, 1).status == accepted);
}

TEST_CASE("who accepts HTML gets a page, who does not a problem document, E13") {
    struct Case {
        std::string_view name;
        std::string_view fields;
        bool html;
    };
    // clang-format off
    constexpr Case cases[] = {
        {"browser", "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n",
         true},
        {"curl", "Accept: */*\r\n", false},
        {"nothing", "", false},
        {"E13 JSON", "Accept: application/json\r\n", false},
        {"JSON, then HTML", "Accept: application/json, text/html;q=0.1\r\n", true},
        {"HTML in capitals", "Accept: TEXT/HTML\r\n", true},
        {"HTML in a second field", "Accept: image/png\r\nAccept: text/html\r\n", true},
        {"HTML refused", "Accept: text/html;q=0\r\n", false},
        {"HTML refused with decimals", "Accept: text/html; q=0.000, */*\r\n", false},
        {"HTML refused, with an extension", "Accept: text/html;q=0;level=1\r\n", false},
        {"HTML with a parameter", "Accept: text/html;level=1\r\n", true},
        {"only the beginning", "Accept: text/htmlx\r\n", false},
        {"any text", "Accept: text/*\r\n", false},
        {"empty elements", "Accept: ,,text/html\r\n", true},
    };
    // clang-format on
    for (const auto& c : cases) {
        CAPTURE(c.name);
        CHECK(accepts_html(OwnedRequest(c.fields).head) == c.html);
        CHECK(is_navigation(OwnedRequest(c.fields).head) == c.html);
    }
}

TEST_CASE("only a visitor on the way to a page is sent to the login, E12 E13") {
    struct Case {
        std::string_view name;
        std::string_view start;
        std::string_view fields;
        bool navigation;
    };
    // clang-format off
    constexpr Case cases[] = {
        {"click", "GET / HTTP/1.1", "Sec-Fetch-Mode: navigate\r\n", true},
        {"old browser", "GET / HTTP/1.1", "", true},
        {"HEAD", "HEAD / HTTP/1.1", "", true},
        {"E12 POST", "POST / HTTP/1.1", "Sec-Fetch-Mode: navigate\r\n", false},
        {"E12 PUT", "PUT / HTTP/1.1", "", false},
        {"E13 fetch", "GET / HTTP/1.1", "Sec-Fetch-Mode: cors\r\n", false},
        {"E13 fetch of our own", "GET / HTTP/1.1", "Sec-Fetch-Mode: same-origin\r\n", false},
        {"image", "GET / HTTP/1.1", "Sec-Fetch-Mode: no-cors\r\n", false},
        {"WebSocket", "GET / HTTP/1.1", "Sec-Fetch-Mode: websocket\r\n", false},
        {"H2 a handshake", "GET / HTTP/1.1", "Connection: Upgrade\r\nUpgrade: foo\r\n", false},
        {"h2c, which is ignored", "GET / HTTP/1.1", "Connection: Upgrade\r\nUpgrade: h2c\r\n",
         true},
        {"mode in capitals", "GET / HTTP/1.1", "Sec-Fetch-Mode: Navigate\r\n", true},
    };
    // clang-format on
    for (const auto& c : cases) {
        CAPTURE(c.name);
        const OwnedRequest html(std::string(c.fields) + "Accept: text/html\r\n", c.start);
        CHECK(is_navigation(html.head) == c.navigation);
        const OwnedRequest json(std::string(c.fields) + "Accept: application/json\r\n", c.start);
        CHECK_FALSE(is_navigation(json.head));
    }
}

}  // namespace cordgate::proxy::test
