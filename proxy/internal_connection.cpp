#include "proxy/internal_connection.hpp"

#include <algorithm>

#include "proxy/access_log.hpp"
#include "proxy/internal_access.hpp"
#include "proxy/internal_problem.hpp"

namespace cordgate::proxy {
namespace {

using namespace std::chrono_literals;

constexpr http::HeadLimits head_limits{};
// From the first byte to the last of head and body, however they drip in.
constexpr std::chrono::seconds request_time = 5s;
constexpr std::chrono::seconds idle_time = 60s;
constexpr std::chrono::seconds write_time = 30s;
constexpr std::chrono::seconds linger_time = 2s;
constexpr std::size_t read_size = 4096;
// Above what we refuse; the time ends it before, but for who sends without a pause.
constexpr std::size_t linger_bytes = 16 * max_internal_body;

bool is_control(char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
}

// What Discord's answers hold was read by a client that undoes percent-encoding.
bool is_field_text(const std::string& text) {
    return std::none_of(text.begin(), text.end(), is_control);
}

/// Without the query, and of a route of Discord's no more than its beginning: a webhook's
/// or an interaction's has a token in it.
std::string path_to_log(std::string_view path) {
    for (const std::string_view base : {"/v1/bot/", "/discord/"}) {
        const auto at = path.find(base);
        if (at == std::string_view::npos) continue;
        const auto end = path.find('/', at + base.size());
        if (end != std::string_view::npos) return std::string(path.substr(0, end)) + "/...";
    }
    return std::string(path);
}

InternalRequest describe(const http::RequestHead& head, std::string body) {
    InternalRequest out;
    out.method = head.method == "HEAD" ? "GET" : head.method;
    out.path = head.path;
    out.query = head.query.substr(std::min<std::size_t>(1, head.query.size()));
    out.body = std::move(body);
    out.content_type = head.value("Content-Type");
    out.audit_log_reason = head.value("X-Audit-Log-Reason");
    return out;
}

Reply unreadable(const http::Refusal& refusal) {
    auto out = problem({refusal.status, "invalid_request", std::string(refusal.reason)});
    if (refusal.status == 405) out.add("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE");
    return out;
}

Reply explain_failure(const Error& error) {
    if (error.kind == ErrorKind::unavailable) {
        return problem({503, "unavailable", "Too many calls are waiting.", {}, 1s});
    }
    log_error("bug", "escaped the internal API: " + error.detail);
    return problem({500, "unavailable", "A fault of Cordgate's own; see the log."});
}

}  // namespace

/// A request as it came; the head's views point into `bytes`.
struct InternalConnection::Received {
    std::string bytes;
    http::RequestHead head;
    std::string body;
    bool gone = false;  ///< the client left before all of it was there
};

InternalConnection::InternalConnection(InternalContext& context, Descriptor socket)
    : context_(context), stream_(context.loop, std::move(socket), ErrorSource::client) {}

Task<void> InternalConnection::run() {
    auto wait = request_time;
    auto next = Next::again;
    while (next == Next::again) {
        stage_ = Stage::between;
        if (input_.empty()) {
            input_.release();
            stream_.expires_after(wait);
            const auto ready = co_await stream_.wait_readable();
            if (!ready) break;
        }
        wait = idle_time;
        next = co_await serve_one();
    }
    if (next == Next::linger) co_await linger();
    stream_.close();
}

void InternalConnection::end_if_idle() {
    if (stage_ == Stage::between && input_.empty()) stream_.cancel_waiting();
}

void InternalConnection::cut() {
    stage_ = Stage::answering;  // nobody needs to end it again
    stream_.abort();
}

Task<InternalConnection::Next> InternalConnection::serve_one() {
    Received request;
    Reply reply;
    stage_ = Stage::receiving;
    const bool received = co_await receive(request, reply);
    if (request.gone) co_return Next::close;
    stage_ = Stage::answering;
    if (received) reply = co_await answer(request);
    auto& gate = context_.gate;
    const auto& head = request.head;
    gate.internal_requests.add(reply.status);
    log_debug("internal", std::string(head.method) + " " + path_to_log(head.path) + " " +
                              std::to_string(reply.status));

    const bool keep_alive = received && head.keep_alive() && !gate.draining && !context_.retired;
    stage_ = Stage::sending;
    const bool sent = co_await write(request, reply, keep_alive);
    if (!sent) co_return Next::close;
    co_return keep_alive ? Next::again : Next::linger;
}

/// Head and body of a request that is to be answered. False: `refusal` says why not,
/// and what is left of it must not be read as another one; or the client is gone.
Task<bool> InternalConnection::receive(Received& request, Reply& refusal) {
    stream_.expires_after(request_time);
    const auto& head = request.head;
    auto unread = co_await read_head(request);
    if (request.gone) co_return false;
    if (unread) {
        refusal = unreadable(*unread);
        co_return false;
    }
    auto refused = refuse_caller(context_.gate.settings.internal, head);
    if (!refused) refused = refuse_body(head);
    if (refused) {
        refusal = *std::move(refused);
        co_return false;
    }
    if (head.content_length == 0) co_return true;
    unread = co_await read_body(request);
    if (unread) refusal = unreadable(*unread);
    co_return !unread && !request.gone;
}

Task<std::optional<http::Refusal>> InternalConnection::read_head(Received& request) {
    http::HeadScanner scanner;
    auto& head = request.head;
    for (;;) {
        const auto found = scanner.scan(input_.view(), head_limits);
        auto refusal = found.refusal;
        if (found.size > 0) {
            request.bytes = input_.view().substr(0, found.size);
            input_.consume(found.size);
            refusal = http::parse_request_head(request.bytes, head_limits, head);
            if (!refusal) co_return std::nullopt;
        }
        if (refusal) {
            // Half of a head is none: what answers it depends on no field.
            const bool was_head = input_.view().starts_with("HEAD ") || head.method == "HEAD";
            head = {};
            head.method = was_head ? "HEAD" : "-";
            head.path = "-";
            co_return refusal;
        }
        const auto size = co_await stream_.read_into(input_, read_size);
        if (!size && size.error().kind == ErrorKind::timed_out && !input_.empty()) {
            head.method = head.path = "-";
            co_return http::Refusal{408, "the request did not come in time"};
        }
        if (!size || *size == 0) {
            request.gone = true;
            co_return std::nullopt;
        }
    }
}

Task<std::optional<http::Refusal>> InternalConnection::read_body(Received& request) {
    const auto& head = request.head;
    const auto length = static_cast<std::size_t>(head.content_length);
    if (head.expect_continue && head.minor_version == 1 && input_.empty()) {
        const auto asked = co_await stream_.write("HTTP/1.1 100 Continue\r\n\r\n");
        request.gone = !asked;
    }
    while (!request.gone && input_.size() < length) {
        const auto size =
            co_await stream_.read_into(input_, std::max(read_size, length - input_.size()));
        if (!size && size.error().kind == ErrorKind::timed_out) {
            co_return http::Refusal{408, "the request did not come in time"};
        }
        request.gone = !size || *size == 0;
    }
    if (request.gone) co_return std::nullopt;
    request.body = input_.view().substr(0, length);
    input_.consume(length);
    co_return std::nullopt;
}

Task<Reply> InternalConnection::answer(const Received& request) {
    auto& gate = context_.gate;
    auto asked = describe(request.head, request.body);
    Reply refusal;
    const auto* const call = find_call(asked, refusal);
    if (!call) co_return refusal;
    if (call->waits == Waits::for_nothing) co_return call->answer(gate, asked);
    auto& pool = call->waits == Waits::for_ping      ? context_.pings
                 : call->waits == Waits::for_discord ? context_.discord
                                                     : context_.store;
    stream_.expires_never();
    auto work = [&]() -> Result<Reply> { return call->answer(gate, asked); };
    auto answered = co_await offload(pool, work);
    co_return answered ? *std::move(answered) : explain_failure(answered.error());
}

Task<bool> InternalConnection::write(const Received& request, const Reply& reply, bool keep_alive) {
    Reply checked = reply;
    std::erase_if(checked.fields, [](const auto& field) { return !is_field_text(field.second); });
    if (!is_field_text(checked.content_type)) checked.content_type = "application/octet-stream";
    http::HeadText text;
    append_head(text, checked, request.head, {}, keep_alive);
    const bool has_body = request.head.method != "HEAD" && reply.status != 204;
    const std::string_view parts[] = {text.view(), has_body ? reply.body : std::string_view()};
    stream_.expires_after(write_time);
    const auto sent = co_await stream_.write(parts);
    co_return sent.has_value();
}

/// Lets the client read our answer before the connection goes: closing with unread
/// bytes would reset it (RFC 9112, 9.6).
Task<void> InternalConnection::linger() {
    stream_.expires_after(linger_time);
    stream_.shutdown_send();
    for (std::size_t total = 0; total < linger_bytes; total += input_.size()) {
        input_.clear();
        const auto size = co_await stream_.read_into(input_, read_size);
        if (!size || *size == 0) co_return;
    }
}

}  // namespace cordgate::proxy
