#include "proxy/internal_api.hpp"

#include <httplib.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <stdexcept>
#include <thread>

#include "core/ascii.hpp"
#include "proxy/access_log.hpp"
#include "proxy/internal_call.hpp"
#include "proxy/internal_problem.hpp"
#include "proxy/listener.hpp"

namespace cordgate::proxy {
namespace {

constexpr std::size_t max_body_bytes = 1 << 20;
constexpr std::size_t short_body_bytes = 16 * 1024;
// Each open connection holds one, and each call that waits for Discord.
constexpr std::size_t threads = 48;
constexpr time_t keep_alive_seconds = 2;
// What is refused before its body is read leaves that body in the connection, and httplib
// would take it for the next request: a web page could write one there without Origin.
constexpr std::size_t requests_per_connection = 1;

bool is_health(const std::string& target) {
    const auto path = target.substr(0, target.find('?'));
    return path == "/healthz" || path == "/readyz";
}

/// Whether Host names this machine or an address: a name that somebody made to lead
/// here (DNS rebinding) does not.
bool is_plain_host(const std::string& host) {
    const auto origin = Origin::parse("http://" + host);
    if (!origin) return host.empty() || host.front() == '/';  // a unix socket's
    return origin->is_loopback() || IpAddress::parse(origin->host).has_value();
}

std::optional<Reply> refuse(const Gate& gate, const httplib::Request& request) {
    const auto& internal = gate.settings.internal;
    if (request.has_header("Origin") || request.has_header("Sec-Fetch-Site")) {
        return problem({403, "forbidden", "The internal API is not for browsers."});
    }
    if (is_health(request.target)) return std::nullopt;
    if (internal.token.empty()) {
        if (is_plain_host(request.get_header_value("Host"))) return std::nullopt;
        return problem(
            {403, "forbidden", "Without internal.token, Host must be localhost or an address."});
    }
    const auto given = request.get_header_value("Authorization");
    const bool is_bearer = iequals(std::string_view(given).substr(0, 7), "bearer ");
    if (is_bearer && request.get_header_value_count("Authorization") == 1 &&
        internal.token.equals(std::string_view(given).substr(7))) {
        return std::nullopt;
    }
    auto out = problem({401, "unauthorized", "The bearer token internal.token is needed."});
    out.add("WWW-Authenticate", "Bearer");
    return out;
}

/// What would be read without a bound, or for another meaning than ours.
std::optional<Reply> refuse_body(const httplib::Request& request) {
    if (request.has_header("Transfer-Encoding")) {
        return problem({411, "invalid_request", "A body needs a Content-Length."});
    }
    if (request.has_header("Content-Encoding")) {
        return problem({415, "invalid_request", "A body must not be compressed."});
    }
    if (request.get_header_value_count("Content-Length") > 1) {
        return problem({400, "invalid_request", "Content-Length is given more than once."});
    }
    const auto type = request.get_header_value("Content-Type");
    if (iequals(std::string_view(type).substr(0, 10), "multipart/")) {
        return problem({415, "invalid_request", "Forms with files are not passed on."});
    }
    return std::nullopt;
}

/// A body that comes with its head, or soon after: closing the connection with it unread
/// would reset it, and the client might never see why.
bool has_short_body(const httplib::Request& request) {
    const auto text = request.get_header_value("Content-Length");
    std::size_t size = 0;
    const auto* const end = text.data() + text.size();
    return std::from_chars(text.data(), end, size).ptr == end && size > 0 &&
           size <= short_body_bytes;
}

void write(const Reply& reply, httplib::Response& response) {
    response.status = reply.status;
    for (const auto& [name, value] : reply.fields) response.set_header(name, value);
    response.set_header("Cache-Control", "no-store");
    response.set_header("X-Content-Type-Options", "nosniff");
    if (!reply.body.empty()) response.set_content(reply.body, reply.content_type);
}

InternalRequest read(const httplib::Request& request) {
    const auto mark = std::min(request.target.find('?'), request.target.size());
    InternalRequest out;
    out.method = request.method == "HEAD" ? "GET" : request.method;
    out.path = request.target.substr(0, mark);
    out.query = request.target.substr(std::min(mark + 1, request.target.size()));
    out.body = request.body;
    out.content_type = request.get_header_value("Content-Type");
    out.audit_log_reason = request.get_header_value("X-Audit-Log-Reason");
    return out;
}

/// Without the query, and of a route of Discord's no more than its beginning: a webhook's
/// or an interaction's has a token in it.
std::string path_to_log(const std::string& target) {
    const auto path = target.substr(0, target.find('?'));
    for (const std::string_view base : {"/v1/bot/", "/discord/"}) {
        const auto at = path.find(base);
        if (at == std::string::npos) continue;
        const auto end = path.find('/', at + base.size());
        return end == std::string::npos ? path : path.substr(0, end) + "/...";
    }
    return path;
}

/// The status of what httplib refuses on its own.
Reply explain_status(int status) {
    const auto text = describe_status(status);
    return problem(
        {status, status == 404 ? "not_found" : "invalid_request", std::string(text.what_happened)});
}

}  // namespace

struct InternalApi::Impl {
    explicit Impl(Gate& g) : gate(g) {}

    Gate& gate;
    httplib::Server server;
    std::thread thread;
    config::Endpoint bound;

    void answer(const httplib::Request& request, httplib::Response& response);
    void add_routes();
    bool bind();
};

void InternalApi::Impl::answer(const httplib::Request& request, httplib::Response& response) {
    try {
        const auto refusal = refuse(gate, request);
        write(refusal ? *refusal : answer_internal(gate, read(request)), response);
    } catch (const std::exception& bug) {
        log_error("bug", std::string("escaped the internal API: ") + bug.what());
        write(problem({500, "unavailable", "A fault of Cordgate's own; see the log."}), response);
    }
}

void InternalApi::Impl::add_routes() {
    // Before a long body is read: who may not ask does not make us keep it.
    server.set_pre_routing_handler([this](const auto& request, auto& response) {
        std::optional<Reply> refusal;
        if (!has_short_body(request)) refusal = refuse(gate, request);
        if (!refusal) refusal = refuse_body(request);
        if (!refusal) return httplib::Server::HandlerResponse::Unhandled;
        write(*refusal, response);
        return httplib::Server::HandlerResponse::Handled;
    });
    // Our own table finds the call: it sees the path as it was sent.
    const auto handler = [this](const httplib::Request& request, httplib::Response& response) {
        answer(request, response);
    };
    const char* const everything = R"([\s\S]*)";
    server.Get(everything, handler);
    server.Post(everything, handler);
    server.Put(everything, handler);
    server.Patch(everything, handler);
    server.Delete(everything, handler);
    server.Options(everything, handler);
    server.set_error_handler([](const httplib::Request&, httplib::Response& response) {
        if (response.body.empty()) write(explain_status(response.status), response);
    });
    server.set_logger([this](const httplib::Request& request, const httplib::Response& response) {
        gate.internal_requests.add(response.status);
        log_debug("internal", request.method + " " + path_to_log(request.target) + " " +
                                  std::to_string(response.status));
    });
}

InternalApi::InternalApi(Gate& gate) : impl_(std::make_unique<Impl>(gate)) {
    impl_->add_routes();
}

InternalApi::~InternalApi() {
    stop();
}

bool InternalApi::Impl::bind() {
    if (!bound.unix_path.empty()) {
        if (bound.unix_path.size() >= sizeof(sockaddr_un::sun_path)) return false;
        remove_stale_socket(bound.unix_path);
        server.set_address_family(AF_UNIX);
        return server.bind_to_port(bound.unix_path.c_str(), 80);
    }
    if (bound.port == 0) {
        const int port = server.bind_to_any_port(bound.host.c_str());
        bound.port = static_cast<std::uint16_t>(std::max(port, 0));
        return port > 0;
    }
    // httplib would share the port with another process (SO_REUSEPORT).
    server.set_socket_options([](socket_t fd) {
        const int on = 1;
        ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    });
    return server.bind_to_port(bound.host.c_str(), bound.port);
}

void InternalApi::start() {
    auto& server = impl_->server;
    impl_->bound = impl_->gate.settings.internal.listen;
    server.set_read_timeout(5, 0);
    server.set_write_timeout(5, 0);
    server.set_keep_alive_timeout(keep_alive_seconds);
    server.set_keep_alive_max_count(requests_per_connection);
    server.set_payload_max_length(max_body_bytes);
    server.set_tcp_nodelay(impl_->bound.unix_path.empty());
    server.new_task_queue = [] { return new httplib::ThreadPool(threads); };
    if (!impl_->bind()) {
        throw std::runtime_error("cannot listen on " + impl_->bound.to_string() +
                                 " (internal.listen): the address is in use or not available; "
                                 "choose another, or port 0");
    }
    impl_->thread = std::thread([&server] { server.listen_after_bind(); });
    // stop() does nothing before the loop runs.
    while (!server.is_running()) std::this_thread::yield();
}

std::string InternalApi::address() const {
    return impl_->bound.to_string();
}

void InternalApi::stop() {
    if (!impl_->thread.joinable()) return;
    impl_->server.stop();
    impl_->thread.join();
    if (!impl_->bound.unix_path.empty()) ::unlink(impl_->bound.unix_path.c_str());
}

}  // namespace cordgate::proxy
