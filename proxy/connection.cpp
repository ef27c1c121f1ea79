#include "proxy/connection.hpp"

#include "core/cookie.hpp"
#include "core/random.hpp"
#include "proxy/gateway.hpp"

namespace cordgate::proxy {
namespace {

constexpr std::size_t read_size = 16 * 1024;
constexpr std::chrono::seconds linger_time{2};
constexpr std::size_t linger_bytes = 512 * 1024;

std::string limit_key_of(const std::optional<IpAddress>& address) {
    return address ? address->limit_key() : "unix";
}

}  // namespace

Connection::Connection(Gate& gate, UpstreamPool& upstreams, Deadlines& deadlines, Socket socket,
                       std::optional<IpAddress> peer)
    : gate_(gate),
      upstreams_(upstreams),
      stream_(std::move(socket), deadlines, ErrorSource::client),
      peer_(peer),
      limit_key_(limit_key_of(peer)) {}

Awaitable<void> Connection::run(asio::ssl::context* tls) {
    if (tls) {
        stream_.expires_after(gate_.settings.server.timeouts.header);
        const auto secured = co_await stream_.accept_tls(*tls);
        if (!secured) {
            log_debug("connection", describe_error(secured.error()));
            co_return;
        }
    }
    auto next = Next::again;
    for (bool first = true; next == Next::again; first = false) next = co_await serve_one(first);
    if (next == Next::linger) co_await linger();
    if (next == Next::abort) {
        stream_.abort();
    } else {
        stream_.expires_after(linger_time);
        if (stream_.is_tls()) co_await stream_.shutdown_send();
        stream_.close();
    }
}

void Connection::drain() {
    Stream* const tunnel = exchange_ ? exchange_->tunnel : nullptr;
    // Without a whole head there is no request that would have to be finished.
    if (!exchange_ || tunnel) stream_.cancel_waiting();
    if (tunnel) tunnel->cancel_waiting();
}

/// Reads until a head is complete. `gone`: the client left before it began one.
Awaitable<std::optional<http::Refusal>> Connection::read_head(bool first, bool& gone) {
    const auto& timeouts = gate_.settings.server.timeouts;
    http::HeadScanner scanner;
    head_bytes_.clear();
    std::swap(head_bytes_, input_);
    for (;;) {
        const auto found = scanner.scan(head_bytes_.view(), gate_.head_limits);
        if (found.refusal) co_return found.refusal;
        if (found.size > 0) {
            input_.clear();
            const auto behind = head_bytes_.view().substr(found.size);
            if (!behind.empty()) input_.append(behind);
            head_bytes_.truncate(found.size);
            co_return http::parse_request_head(head_bytes_.view(), gate_.head_limits, head_);
        }
        idle_ = head_bytes_.empty();
        if (idle_) {
            if (gate_.draining) {
                gone = true;
                co_return std::nullopt;
            }
            head_bytes_.release();
            input_.release();
            stream_.expires_after(first ? timeouts.header : timeouts.idle);
            const auto ready = co_await stream_.wait_readable();
            if (!ready) {
                gone = true;
                co_return std::nullopt;
            }
            stream_.expires_after(first || !stream_.is_tls() ? timeouts.header : timeouts.idle);
        }
        const auto size = co_await stream_.read_some(head_bytes_.prepare(read_size));
        if (!size && size.error().kind == ErrorKind::timed_out && !head_bytes_.empty()) {
            co_return http::Refusal{408, "the request's head did not come in time"};
        }
        if (!size || *size == 0) {
            gone = true;
            co_return std::nullopt;
        }
        // The time for a head runs from its first byte, however it drips in.
        if (idle_ && stream_.is_tls()) stream_.expires_after(timeouts.header);
        idle_ = false;
        head_bytes_.commit(*size);
    }
}

std::string Connection::make_request_id(const ClientInfo& client) const {
    return client.request_id.empty() ? random_id() : std::string(client.request_id);
}

Awaitable<Connection::Next> Connection::serve_one(bool first) {
    bool gone = false;
    if (const auto refusal = co_await read_head(first, gone)) co_return co_await refuse(*refusal);
    if (gone) co_return Next::close;

    idle_ = false;
    stream_.expires_never();
    const auto begin = SteadyClock::now();
    const auto& server = gate_.settings.server;
    BodyReader body(stream_, input_, head_, ErrorSource::client, server.timeouts.body,
                    server.limits.body_bytes);
    Exchange exchange{gate_, upstreams_, stream_, head_, body, out_};
    exchange.client = gate_.trusted.resolve(peer_, head_, server.public_url.is_secure());
    const auto address = IpAddress::parse(exchange.client.address);
    exchange.limit_key = address ? limit_key_of(address) : limit_key_;
    exchange.request_id = make_request_id(exchange.client);
    exchange.keep_alive = head_.keep_alive() && !gate_.draining;

    auto& record = exchange.record;
    record.method = head_.method;
    record.path = head_.path;
    record.host = exchange.client.host;
    record.client = exchange.client.address;
    record.request_id = exchange.request_id;
    exchange_ = &exchange;
    co_await answer_request(exchange);
    exchange_ = nullptr;

    record.request_bytes += body.size();
    record.total =
        std::chrono::duration_cast<std::chrono::microseconds>(SteadyClock::now() - begin);
    log_access(record);
    // What nobody read, but is here whole, does not keep the next request away.
    while (!body.done() && !body.needs_reading() && body.next_buffered()) continue;
    (void)body.next_buffered();  // gives the last piece back to the buffer
    co_return after(exchange);
}

Connection::Next Connection::after(const Exchange& exchange) const {
    // Only a reset tells an HTTP/1.0 client that a body was cut.
    if (exchange.cut) return head_.minor_version == 0 ? Next::abort : Next::close;
    if (!exchange.body.done()) return Next::linger;
    return exchange.keep_alive ? Next::again : Next::close;
}

/// A head that we do not take: says why, and reads nothing more.
Awaitable<Connection::Next> Connection::refuse(http::Refusal refusal) {
    head_.clear();
    head_.method = "-";
    head_.path = head_.query = head_.host = {};
    head_.minor_version = 1;
    AccessRecord record;
    const auto id = random_id();
    record.method = record.path = record.host = "-";
    record.client = peer_ ? peer_->to_string() : "unix";
    record.request_id = id;
    record.status = refusal.status;
    record.error = "bad_request client: " + std::string(refusal.reason);

    const PageContext context{gate_.settings.paths.prefix, id, true,
                              gate_.settings.server.public_url.host};
    auto out = reply::refusal(context, refusal.status);
    if (refusal.status == 405) out.add("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    if (refusal.status == 431) {
        // Our own cookies may be what is too much: without them the next try fits.
        for (const auto& name : gate_.own_cookies) {
            out.add("Set-Cookie", clear_cookie(cookie_attributes(gate_, name)));
        }
    }
    out_.clear();
    append_head(out_, out, head_, id, false);
    out_ += out.body;
    stream_.expires_after(gate_.settings.server.timeouts.header);
    const auto sent = co_await stream_.write(out_);
    log_access(record);
    co_return sent ? Next::linger : Next::close;
}

/// Lets the client read our answer before the connection goes: closing with
/// unread bytes would reset it (RFC 9112, 9.6). Bounded in time and size.
Awaitable<void> Connection::linger() {
    stream_.expires_after(linger_time);
    if (!stream_.is_tls()) co_await stream_.shutdown_send();
    std::size_t total = 0;
    while (total < linger_bytes) {
        input_.clear();
        const auto size = co_await stream_.read_some(input_.prepare(read_size));
        if (!size || *size == 0) co_return;
        total += *size;
    }
}

}  // namespace cordgate::proxy
