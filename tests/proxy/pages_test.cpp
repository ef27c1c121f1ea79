#include "proxy/pages.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "core/ascii.hpp"
#include "proxy/assets.hpp"

namespace cordgate::proxy {
namespace {

using Json = nlohmann::json;

constexpr std::string_view hostile = "<script>alert(1)</script>\" onload='x' & \x01";
constexpr std::string_view escaped =
    "&lt;script&gt;alert(1)&lt;/script&gt;&quot; onload=&#39;x&#39; &amp; \xef\xbf\xbd";

PageContext context() {
    return {"/_cordgate", "req-1", true, "app.example.com"};
}

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

std::size_t count(std::string_view text, std::string_view part) {
    std::size_t found = 0;
    for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
    return found;
}

const LoginFailure all_failures[] = {
    LoginFailure::access_denied,       LoginFailure::invalid_state,    LoginFailure::expired_login,
    LoginFailure::discord_unavailable, LoginFailure::discord_rejected, LoginFailure::forbidden,
    LoginFailure::invalid_request,     LoginFailure::unavailable,
};

/// One of every page there is, with `text` wherever text may be given.
std::vector<std::string> every_page(const std::string& text) {
    const PageContext page{text, text, true, text};
    const std::vector<std::string> missing{text};
    const Account who{text, text};
    std::vector<std::string> out{
        error_page(page, 404, text, text, text, text, Link{Href::own(text), text}),
        denied_page(page, who, missing, Href::own(text), Href::own(text)),
        logout_page(page, Href::own(text), ReturnPath::root()),
        signed_out_page(page, Href::own(text)),
    };
    for (const auto failure : all_failures) {
        out.push_back(login_failed_page(page, failure, Href::own(text), Href::own(text)));
    }
    for (const auto& row : status_texts()) out.push_back(error_page(page, row.status));
    return out;
}

}  // namespace

TEST_CASE("CWE-79 F12 E16: whatever a page is given comes out as text") {
    for (const auto& page : every_page(std::string(hostile))) {
        CAPTURE(page);
        CHECK(contains(page, escaped));
        CHECK_FALSE(contains(page, "<script"));
        CHECK_FALSE(contains(page, "onload='"));
        CHECK_FALSE(contains(page, "& "));
        CHECK_FALSE(contains(page, "\x01"));
    }
}

TEST_CASE("CWE-79: escape_html leaves no character that could end a text or attribute") {
    CHECK(escape_html(hostile) == escaped);
    CHECK(escape_html("Zo\u00eb \U0001f98a \u0645") == "Zo\u00eb \U0001f98a \u0645");
    for (int c = 0; c < 256; ++c) {
        const std::string out = escape_html(std::string(1, static_cast<char>(c)));
        CAPTURE(c);
        CHECK(out.find_first_of("<>\"'") == std::string::npos);
        if (contains(out, "&")) CHECK(out.back() == ';');
    }
}

TEST_CASE("no page holds a script, an inline style or a third-party origin") {
    for (const auto& page : every_page("plain")) {
        CAPTURE(page);
        CHECK_FALSE(contains(page, "<script"));
        CHECK_FALSE(contains(page, "<style"));
        CHECK_FALSE(contains(page, " style="));
        CHECK_FALSE(contains(page, " onclick"));
        CHECK_FALSE(contains(page, "http:"));
        CHECK_FALSE(contains(page, "https:"));
    }
}

TEST_CASE("every page can be read by a screen reader and on a phone") {
    for (const auto& page : every_page("plain")) {
        CAPTURE(page);
        CHECK(page.starts_with("<!doctype html>\n<html lang=\"en\">"));
        CHECK(contains(page, "width=device-width, initial-scale=1"));
        CHECK(count(page, "<title>") == 1);
        CHECK_FALSE(contains(page, "<title></title>"));
        CHECK(count(page, "<main ") == 1);
        CHECK(count(page, "<h1 ") == 1);
        CHECK((!contains(page, "<h2>") || page.find("<h1 ") < page.find("<h2>")));
        CHECK(count(page, "<img ") == count(page, " alt=\"\""));
    }
}

TEST_CASE("J25: every status that we answer with says what happened and what to do next") {
    std::set<std::string_view> codes;
    for (const int status :
         {400, 401, 403, 404, 405, 408, 413, 414, 421, 429, 431, 500, 502, 503, 504}) {
        CAPTURE(status);
        const StatusText& text = describe_status(status);
        CHECK(text.status == status);
        CHECK(codes.insert(text.code).second);
        CHECK_FALSE(text.title.empty());
        CHECK(text.what_happened.ends_with('.'));
        CHECK(text.what_next.ends_with('.'));
        const auto page = error_page(context(), status);
        CHECK(contains(page, "Error " + std::to_string(status)));
        CHECK(contains(page, escape_html(text.what_happened)));
        CHECK(contains(page, escape_html(text.what_next)));
        CHECK(contains(page, "req-1"));
    }
    CHECK(describe_status(418).status == 400);
    CHECK(describe_status(507).status == 500);
}

TEST_CASE("a page says how long to wait where that is known") {
    struct Case {
        std::optional<std::chrono::milliseconds> wait;
        const char* text;
    };
    const Case cases[] = {
        {std::nullopt,                      "Wait a minute, then"   },
        {std::chrono::milliseconds(0),      "Wait 1 second, then"   },
        {std::chrono::milliseconds(1001),   "Wait 2 seconds, then"  },
        {std::chrono::milliseconds(120000), "Wait 120 seconds, then"},
        {std::chrono::milliseconds(120001), "Wait 3 minutes, then"  },
        {std::chrono::milliseconds(600000), "Wait 10 minutes, then" },
    };
    for (const auto& c : cases) {
        CAPTURE(std::string(c.text));
        PageContext context{"/_cordgate", "id"};
        context.wait = c.wait;
        const auto again = Href::own("/login");
        for (const auto& page :
             {error_page(context, 429), error_page(context, 503),
              login_failed_page(context, LoginFailure::discord_unavailable, again)}) {
            CHECK(page.find(c.text) != page.npos);
        }
        CHECK(error_page(context, 404).find("Wait") == std::string::npos);
    }
}

TEST_CASE("every way a login can fail has its status, its words and a way on") {
    const std::map<LoginFailure, int> statuses{
        {LoginFailure::access_denied,       403},
        {LoginFailure::invalid_state,       400},
        {LoginFailure::expired_login,       400},
        {LoginFailure::discord_unavailable, 503},
        {LoginFailure::discord_rejected,    502},
        {LoginFailure::forbidden,           403},
        {LoginFailure::invalid_request,     400},
        {LoginFailure::unavailable,         503},
    };
    std::set<std::string> pages;
    for (const auto failure : all_failures) {
        CAPTURE(to_string(failure));
        CHECK(status_of(failure) == statuses.at(failure));
        const auto page = login_failed_page(context(), failure, Href::own("/login?rd=%2Finbox"));
        CHECK(contains(page, to_string(failure)));
        CHECK(contains(page, "href=\"/login?rd=%2Finbox\""));
        CHECK_FALSE(contains(page, "Go on without"));
        CHECK(pages.insert(page).second);
    }
    const auto page = login_failed_page(context(), LoginFailure::access_denied, Href::own("/login"),
                                        Href::own("/feed"));
    CHECK(contains(page, "href=\"/feed\""));
}

TEST_CASE("CVE-2024-21496 CVE-2026-42849 R84: a link of ours never leads off this site") {
    struct Case {
        const char* name;
        std::string_view raw;
        bool accepted;
    };
    constexpr Case cases[] = {
        {"a path of ours",                                    "/login?rd=%2Finbox&profile=x",             true },
        {"the start page",                                    "/",                                        true },
        {"nothing",                                           "",                                         false},
        {"R84 a script",                                      "javascript:alert(1)",                      false},
        {"R85 a script in mixed case",                        "JaVaScRiPt:alert(1)",                      false},
        {"R86 a script with a newline",                       "java\nscript:alert(1)",                    false},
        {"R89 a document in the address",                     "data:text/html,<script>alert(1)</script>", false},
        {"CVE-2017-1000070 GHSA-jm34-xm8m-w958 another host", "//evil.example",                           false},
        {"a backslash that reads as a slash",                 "/\\evil.example",                          false},
        {"a tab that browsers drop",                          "/\t/evil.example",                         false},
        {"an absolute address",                               "https://evil.example/",                    false},
        {"bytes beyond ASCII",                                "/\xc3\xa9",                                false},
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        CHECK(Href::own(c.raw).str() == (c.accepted ? c.raw : "/"));
    }
    for (const auto& page : every_page("javascript:alert(1)")) {
        CHECK_FALSE(contains(page, "=\"javascript:"));
    }
}

TEST_CASE("F25: the denied page names the account, what it lacks, and both ways out") {
    const std::vector<std::string> missing{"a role in guild 1234", "membership in guild <5>"};
    const Account ada{"Ada", "ada.l"};
    const auto page =
        denied_page(context(), ada, missing, Href::own("/login?rd=%2F"), Href::own("/logout"));
    CHECK(contains(page, "Ada"));
    CHECK(contains(page, "ada.l"));
    CHECK(contains(page, "aria-hidden=\"true\">A</span>"));
    CHECK_MESSAGE(count(page, "src=\"") == count(page, "src=\"/_cordgate/"), "E17");
    CHECK(contains(page, "<li>a role in guild 1234</li>"));
    CHECK(contains(page, "<li>membership in guild &lt;5&gt;</li>"));
    CHECK(contains(page, "href=\"/login?rd=%2F\""));
    CHECK(contains(page, "<form method=\"post\" action=\"/logout\">"));

    for (const auto& [name, initial] : {
             std::pair{"\U0001f98a fox", "\U0001f98a"},
             {"\u0645\u0631",   "\u0645"    },
             {"<b>",            "&lt;"      },
             {"",               ""          }
    }) {
        CAPTURE(name);
        const auto other =
            denied_page(context(), {name, "x"}, missing, Href::own("/login"), Href::own("/logout"));
        CHECK(contains(other, "\"true\">" + std::string(initial) + "</span>"));
    }
}

TEST_CASE("logging out takes a press on a button and remembers where to go") {
    const auto page = logout_page(context(), Href::own("/logout"), ReturnPath::root());
    CHECK(contains(page, "<form method=\"post\" action=\"/logout?rd=%2F\">"));
    CHECK(contains(page, ">Cancel</a>"));
}

TEST_CASE("GHSA-gmfg-3v4q-9qr4 CVE-2026-33525: the content policy is made of fixed directives") {
    CHECK(content_security_policy() ==
          "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
          "frame-ancestors 'none'; base-uri 'none'");

    const std::vector<Origin> forms{
        {"https", "discord.com", 443}
    };
    CHECK(content_security_policy(forms) ==
          "default-src 'none'; style-src 'self'; img-src 'self'; "
          "form-action 'self' https://discord.com; frame-ancestors 'none'; base-uri 'none'");

    for (const char* host : {"x; script-src *", "x *", "", "x,y", "x'", "x\r\nA: b"}) {
        CAPTURE(host);
        const Origin odd[] = {
            {"https", host, 443}
        };
        CHECK(content_security_policy(odd) == content_security_policy());
    }
    const Origin script[] = {
        {"javascript", "x", 443}
    };
    CHECK(content_security_policy(script) == content_security_policy());
}

TEST_CASE("B38 D21 E17 G20: our pages are kept by no cache and shown in no frame") {
    for (const bool has_form : {false, true}) {
        std::map<std::string_view, std::string_view> headers;
        for (const auto& row : page_headers(has_form)) {
            CHECK(headers.emplace(row.name, row.value).second);
            CHECK_FALSE(row.because.empty());
        }
        CHECK(headers["Cache-Control"] == "no-store");
        CHECK(headers["X-Frame-Options"] == "DENY");
        CHECK(headers["X-Content-Type-Options"] == "nosniff");
        CHECK(headers["Referrer-Policy"] == (has_form ? "same-origin" : "no-referrer"));
    }
}

TEST_CASE("a problem document is valid JSON whatever it is told (RFC 9457)") {
    const std::pair<std::string_view, std::string_view> extra[] = {
        {"login_url",  "/login?rd=%2F"},
        {"request_id", hostile        }
    };
    const auto document = problem_json(401, "unauthorized", "Please \"log in\"\n", hostile, extra);
    const auto json = Json::parse(document);
    CHECK(json.at("type") == "about:blank");
    CHECK(json.at("status") == 401);
    CHECK(json.at("code") == "unauthorized");
    CHECK(json.at("title") == "Please \"log in\"\n");
    CHECK(json.at("detail") == std::string(hostile));
    CHECK(json.at("login_url") == "/login?rd=%2F");
    CHECK(json.at("request_id") == std::string(hostile));
    CHECK(json.size() == 7);

    const std::vector<std::string> missing{"a role in guild 1", "\"quotes\""};
    CHECK(Json::parse(denied_json(missing)).at("missing") == Json(missing));
    CHECK(Json::parse(denied_json({})).at("missing").empty());
}

TEST_CASE("J25: a refusal is a page or a problem document, as the client asked") {
    for (const auto& row : status_texts()) {
        CAPTURE(row.status);
        auto asked = context();
        CHECK(refusal(asked, row.status).content_type == html_type);
        asked.accepts_html = false;
        const auto answer = refusal(asked, row.status);
        CHECK(answer.content_type == problem_type);
        const auto json = Json::parse(answer.body);
        CHECK(json.at("status") == row.status);
        CHECK(json.at("code") == row.code);
        CHECK(json.at("request_id") == "req-1");
    }
}

TEST_CASE("an asset is found by a name that changes with its content") {
    CHECK(find_asset("style.css") == nullptr);
    CHECK(find_asset("") == nullptr);
    CHECK(find_asset("../pages.cpp") == nullptr);
    for (const auto& asset : assets()) {
        CAPTURE(asset.name);
        CHECK(find_asset(asset.name) == &asset);
        CHECK(asset.etag.size() == 18);
        CHECK(contains(asset.name, asset.etag.substr(1, 16)));
        CHECK_FALSE(asset.body.empty());
        CHECK_FALSE(contains(asset.body, "<script"));
        CHECK_FALSE(contains(asset.body, "url("));
        CHECK_FALSE(contains(asset.body, "@import"));
    }
    const auto page = signed_out_page(context(), Href::own("/login"));
    const auto style = "/_cordgate/assets/" + std::string(style_asset().name);
    CHECK(contains(page, "<link rel=\"stylesheet\" href=\"" + style + "\">"));
    CHECK(contains(page, "/_cordgate/assets/" + std::string(icon_asset().name)));
}

}  // namespace cordgate::proxy
