#include "proxy/connection.hpp"

#include "core/cookie.hpp"
#include "core/random.hpp"
#include "proxy/gateway.hpp"
#include "proxy/tunnel.hpp"

namespace cordgate::proxy {
namespace {

constexpr std::chrono::seconds linger_time{2};
constexpr std::size_t usual_head = 4096;
constexpr std::size_t linger_bytes = 64 * 1024 * 1024;  // the time ends it before

}  // namespace

Connection::Connection(WorkerContext& worker, IdleClient client,
                       const std::optional<IpAddress>& peer)
    : worker_(worker),
      stream_(worker.loop, std::move(client.socket), ErrorSource::client, std::move(client.tls)),
      peer_(worker.gate.trusted.know(peer)),
      was_used_(client.was_used) {}

/// What waits here costs memory ten thousand times over: it holds no more than
/// the stream.
Task<void> Connection::run(TlsContext tls) {
    if (tls && !co_await secure(std::move(tls))) co_return co_await refuse_plain_http();
    const auto& timeouts = worker_.gate.settings.server.timeouts;
    auto wait = was_used_ ? timeouts.idle : timeouts.header;
    auto next = Next::again;
    while (next == Next::again) {
        if (input_.empty()) {
            if (worker_.gate.draining) break;
            if (worker_.hand_over) {
                hand_over();
                co_return;
            }
            input_.release();
            stream_.expires_after(wait);
            waits_ = true;
            const auto ready = co_await stream_.wait_readable();
            waits_ = false;
            if (!ready) {
                const bool retires = ready.error().kind == ErrorKind::closed && stream_.is_open();
                if (retires && worker_.hand_over) continue;
                break;
            }
        }
        wait = timeouts.idle;
        next = co_await serve_one();
        was_used_ = true;
    }
    if (next == Next::linger) co_await linger();
    if (next == Next::abort) co_return stream_.abort();
    if (next != Next::linger) stream_.shutdown_send();
    stream_.close();
}

Task<bool> Connection::secure(TlsContext tls) {
    stream_.expires_after(worker_.gate.settings.server.timeouts.header);
    const auto secured = co_await stream_.accept_tls(tls);
    if (!secured) log_debug("connection", describe_error(secured.error()));
    co_return secured.has_value();
}

/// Whoever typed http:// sees why there is no page; other failures of TLS need no words.
Task<void> Connection::refuse_plain_http() {
    if (!stream_.give_up_tls()) co_return;
    constexpr std::string_view answer =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 45\r\n"
        "Connection: close\r\n\r\nThis port speaks HTTPS: try https:// instead\n";
    log_info("connection", peer_.address + " speaks HTTP without TLS where TLS is spoken");
    worker_.gate.requests.add(400);
    worker_.gate.refusals.add(400);
    const auto sent = co_await stream_.write(answer);
    if (sent) co_await linger();
    stream_.close();
}

void Connection::drain() {
    Stream* const tunnel = exchange_ ? exchange_->tunnel : nullptr;
    // Without a whole head there is no request that would have to be finished.
    if (!exchange_ || tunnel) stream_.cancel_waiting();
    if (tunnel) tunnel->cancel_waiting();
}

void Connection::hand_over() {
    auto [socket, tls] = stream_.release();
    worker_.hand_over({std::move(socket), std::move(tls), was_used_});
}

void Connection::retire() {
    if (waits_) stream_.cancel_waiting();
}

bool Connection::end_if_idle() {
    if (!was_used_ || !waits_) return false;
    stream_.cancel_waiting();
    return true;
}

/// Leaves what follows a head of `size` bytes in the input.
void Connection::keep_behind(std::string_view here, std::size_t size) {
    if (input_.empty()) {
        input_.append(here.substr(size));
    } else {
        input_.consume(size);
    }
}

/// Reads until a head is complete. `gone`: the client left before that.
Task<std::optional<http::Refusal>> Connection::read_head(Workspace& workspace, bool& gone) {
    const auto& limits = worker_.gate.head_limits;
    http::HeadScanner scanner;
    // The time for a head runs from its first byte, however it drips in.
    stream_.expires_after(worker_.gate.settings.server.timeouts.header);
    std::string_view here = input_.view();
    bool is_first_piece = true;
    for (;;) {
        // Most heads come whole, with little behind them.
        if (!here.empty() && std::exchange(is_first_piece, false) && here.size() <= usual_head) {
            workspace.head_bytes.assign(here);
            const auto size =
                http::parse_request_at_once(workspace.head_bytes, limits, workspace.head);
            if (size > 0) {
                workspace.head_bytes.resize(size);
                keep_behind(here, size);
                co_return std::nullopt;
            }
        }
        const auto found = here.empty() ? http::ParseResult{} : scanner.scan(here, limits);
        if (found.refusal) {
            workspace.head_bytes.assign(here.substr(0, usual_head));  // for the answer
            co_return found.refusal;
        }
        if (found.size > 0) {
            workspace.head_bytes.assign(here.substr(0, found.size));
            keep_behind(here, found.size);
            co_return http::parse_request_head(workspace.head_bytes, limits, workspace.head);
        }
        // Most heads come whole, and are never copied to where they would wait.
        if (input_.empty()) input_.append(here);
        const auto space = worker_.loop.scratch();
        const auto size = co_await stream_.read_some(space);
        if (!size && size.error().kind == ErrorKind::timed_out && !input_.empty()) {
            workspace.head_bytes.assign(here.substr(0, usual_head));
            co_return http::Refusal{408, "the request's head did not come in time"};
        }
        if (!size || *size == 0) {
            gone = true;
            co_return std::nullopt;
        }
        here = {space.data(), *size};
        if (!input_.empty()) {
            input_.append(here);
            here = input_.view();
        }
    }
}

Task<Connection::Next> Connection::serve_one() {
    const WorkspacePool::Lease lease(worker_.workspaces);
    auto& workspace = *lease;
    bool gone = false;
    const auto refusal = co_await read_head(workspace, gone);
    if (refusal) co_return co_await refuse(workspace, *refusal);
    if (gone) co_return Next::close;

    stream_.expires_never();
    auto& gate = worker_.gate;
    const auto& server = gate.settings.server;
    const auto& head = workspace.head;
    BodyReader body(stream_, input_, head, ErrorSource::client, server.timeouts.body,
                    server.limits.body_bytes);
    Exchange exchange{gate, worker_.upstreams, worker_.running, stream_, workspace, head,
                      body, recent_token_,     workspace.out};
    exchange.client = gate.trusted.resolve(peer_, head, server.public_url.is_secure());
    exchange.request_id = exchange.client.request_id;
    if (exchange.request_id.empty()) {
        random_id(workspace.request_id);
        exchange.request_id = workspace.request_id;
    }
    exchange.keep_alive = head.keep_alive() && !gate.draining;

    auto& record = exchange.record;
    record.begin = worker_.loop.now();
    record.method = head.method;
    record.path = head.path;
    record.host = exchange.client.host;
    record.client = exchange.client.address;
    record.request_id = exchange.request_id;
    exchange_ = &exchange;
    co_await answer_request(exchange);
    if (exchange.upgraded) record.response_bytes = co_await run_tunnel(exchange);
    exchange_ = nullptr;

    // What was cut because of it looks as if the upstream, or the client, had gone.
    if (exchange.session_ended) record.error = "the session has ended";
    record.request_bytes += body.size();
    if (exchange.upgraded) {
        gate.requests.add(record.status);
    } else {
        gate.requests.add(record.status, worker_.loop.now() - record.begin);
    }
    log_access(record);
    // What nobody read, but is here whole, does not keep the next request away.
    while (!body.done() && !body.needs_reading() && body.next_buffered()) continue;
    (void)body.next_buffered();  // gives the last piece back to the buffer
    co_return after(exchange);
}

Connection::Next Connection::after(const Exchange& exchange) const {
    // Only a reset tells an HTTP/1.0 client that a body was cut.
    if (exchange.cut) return exchange.head.minor_version == 0 ? Next::abort : Next::close;
    return exchange.keep_alive && exchange.body.done() ? Next::again : Next::linger;
}

/// A head that we do not take: says why, and reads nothing more.
Task<Connection::Next> Connection::refuse(Workspace& workspace, http::Refusal refusal) {
    auto& gate = worker_.gate;
    auto& head = workspace.head;
    auto& rendered = workspace.out;
    head.clear();
    head.method = "-";
    head.path = head.query = head.host = {};
    head.minor_version = 1;
    AccessRecord record;
    record.begin = worker_.loop.now();
    const auto id = random_id();
    record.method = record.path = record.host = "-";
    record.client = peer_.address;
    record.request_id = id;
    record.status = refusal.status;
    record.error = "bad_request client: " + std::string(refusal.reason);

    const PageContext context{gate.settings.paths.prefix, id, mentions_html(workspace.head_bytes),
                              gate.settings.server.public_url.host};
    auto out = reply::refusal(context, refusal.status);
    if (refusal.status == 405) out.add("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    if (refusal.status == 431) {
        // Our own cookies may be what is too much: without them the next try fits.
        for (const auto& name : gate.own_cookies) {
            out.add("Set-Cookie", clear_cookie(cookie_attributes(gate, name)));
        }
    }
    // HEAD is answered without content, whatever else is wrong (RFC 9110, 9.3.2);
    // and who is not sure that it was one finds the end all the same.
    out.framed = !workspace.head_bytes.starts_with("HEAD ");
    rendered.clear();
    append_head(rendered, out, head, id, false);
    if (out.framed) rendered.append(out.body);
    record.response_bytes = out.framed ? out.body.size() : 0;
    stream_.expires_after(gate.settings.server.timeouts.header);
    const auto sent = co_await stream_.write(rendered.view());
    gate.requests.add(record.status);
    gate.refusals.add(record.status);
    log_access(record);
    co_return sent ? Next::linger : Next::close;
}

/// Lets the client read our answer before the connection goes: closing with
/// unread bytes would reset it (RFC 9112, 9.6). Bounded in time and size.
Task<void> Connection::linger() {
    stream_.expires_after(linger_time);
    stream_.shutdown_send();
    input_.release();
    std::size_t total = 0;
    while (total < linger_bytes) {
        const auto size = co_await stream_.read_some(worker_.loop.scratch());
        if (!size || *size == 0) co_return;
        total += *size;
    }
}

}  // namespace cordgate::proxy
