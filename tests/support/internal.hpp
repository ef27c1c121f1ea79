#pragma once

#include <httplib.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "tests/support/stage.hpp"

namespace cordgate::test {

/// What the internal API answered; status 0: nothing, `body` says why.
struct InternalReply {
    int status = 0;
    std::string body;
    httplib::Headers headers;

    /// Throws when it is no JSON.
    nlohmann::json json() const { return nlohmann::json::parse(body); }
    /// A member of a problem document; "" for none.
    std::string text(const char* name) const {
        const auto value = nlohmann::json::parse(body, nullptr, false);
        if (!value.is_object() || !value.contains(name)) return "";
        return value[name].is_string() ? value[name].get<std::string>() : value[name].dump();
    }
    std::string code() const { return text("code"); }
    std::string reason() const { return text("reason"); }
    std::string field(const std::string& name) const {
        const auto it = headers.find(name);
        return it == headers.end() ? "" : it->second;
    }
};

/// An application that asks a gate's internal API.
class Internal {
public:
    explicit Internal(int port, std::string token = "") : port_(port), token_(std::move(token)) {}
    explicit Internal(Stage& stage, std::string token = "")
        : Internal(stage.gate().internal_port(), std::move(token)) {}

    InternalReply call(const std::string& method, const std::string& target,
                       const std::string& body = "", httplib::Headers headers = {}) const {
        httplib::Client client("127.0.0.1", port_);
        client.set_url_encode(false);
        client.set_read_timeout(patience);
        if (!token_.empty()) headers.emplace("Authorization", "Bearer " + token_);
        httplib::Request request;
        request.method = method;
        request.path = target;
        request.headers = std::move(headers);
        request.body = body;
        if (!body.empty() && !request.has_header("Content-Type")) {
            request.set_header("Content-Type", "application/json");
        }
        const auto answer = client.send(request);
        // No exception: tests ask from threads, too, where it would end all of them.
        if (!answer) {
            return {0, method + " " + target + ": " + httplib::to_string(answer.error()), {}};
        }
        return {answer->status, answer->body, answer->headers};
    }
    InternalReply get(const std::string& target) const { return call("GET", target); }

private:
    int port_;
    std::string token_;
};

/// The name that the application knows a browser's session by.
inline std::string handle_of(Stage& stage, Browser& browser) {
    browser.get("/handle");
    return stage.app.last().field("X-Discord-Session");
}

}  // namespace cordgate::test
