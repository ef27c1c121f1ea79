#include "proxy/upstream_exchange.hpp"

#include <array>
#include <charconv>

#include "core/ascii.hpp"
#include "core/cookie.hpp"
#include "core/url.hpp"
#include "proxy/body_batch.hpp"
#include "proxy/http/date.hpp"

namespace cordgate::proxy {
namespace {

constexpr int max_interim_responses = 64;
constexpr std::string_view max_forwards = "max-forwards";
/// An answer may be larger than a request: applications set many cookies.
constexpr http::HeadLimits response_limits{128 * 1024, 512, 16 * 1024};

bool is_nominated(const http::MessageFields& head, std::string_view name) {
    for (const auto nominated : head.nominated) {
        if (iequals(nominated, name)) return HeaderPolicy::may_be_nominated(name);
    }
    return false;
}

/// TE: trailers, RFC 9110, 10.1.4.
bool wants_trailers(const http::RequestHead& head) {
    for (const auto& field : head.fields) {
        if (field.known != http::FieldName::te) continue;
        for (auto rest = field.value; !rest.empty();) {
            const auto comma = rest.find(',');
            if (iequals(trim(rest.substr(0, comma)), "trailers")) return true;
            if (comma == std::string_view::npos) break;
            rest.remove_prefix(comma + 1);
        }
    }
    return false;
}

/// How many hops of it are left behind us; nullopt: it does not say (RFC 9110, 7.6.2).
/// What is no number is not ours to understand. 0 was answered by us.
std::optional<std::uint64_t> hops_left(const http::RequestHead& head) {
    if (head.method != "OPTIONS") return std::nullopt;
    const auto text = head.value(max_forwards);
    std::uint64_t hops = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), hops);
    if (problem != std::errc() || end != text.data() + text.size() || hops == 0) {
        return std::nullopt;
    }
    return hops - 1;
}

/// One request on one upstream connection. Both directions run at once where a
/// body still has to come; they share this and nothing else.
class UpstreamExchange {
public:
    UpstreamExchange(Exchange& exchange, const Route& route, LiveSessionPtr session,
                     std::string target)
        : x_(exchange),
          upstream_(exchange.gate.settings.upstreams[route.upstream]),
          index_(route.upstream),
          session_(std::move(session)),
          target_(std::move(target)),
          timeouts_(exchange.gate.settings.server.timeouts),
          request_(exchange.workspace.request),
          response_(exchange.workspace.response) {}

    enum class Outcome { done, stale };

    void render_request();
    UpstreamPtr take_idle();
    /// `stale`: the connection was dead, and the request may go over another one.
    Task<Outcome> attempt(UpstreamPtr connection);
    std::optional<Error> finish();
    void fail(const Error& error) {
        if (!failure_) failure_ = error;
    }

private:
    void render_forwarded();
    void render_cookies();
    std::string_view first_piece();
    Task<bool> tell_to_continue();
    Task<void> send_body();
    Task<bool> read_head();
    Task<void> receive();
    Task<void> receive_and_stop_sending();
    Task<void> relay_response();
    std::optional<std::string_view> whole_body() const;
    Task<void> relay_body(bool chunked);
    Task<bool> relay_interim();
    void render_response(bool chunked);
    void render_response_fields(bool keep_length);
    Task<void> start_tunnel();

    bool passes_trailers() const;
    bool announces_what_does_not_come() const;
    bool may_repeat() const;
    void cut_client(const Error& error);

    Exchange& x_;
    const config::Upstream& upstream_;
    std::size_t index_;
    LiveSessionPtr session_;
    std::string target_;
    const config::Timeouts& timeouts_;

    http::HeadText& request_;  ///< rendered head
    http::ResponseHead& response_;
    UpstreamPtr connection_;
    std::optional<Error> failure_;  ///< the first that happened
    bool request_sent_ = false;     ///< all of it, body included
    bool response_begun_ = false;   ///< any byte came
    bool response_done_ = false;
    bool reusable_ = false;
};

// --- the request -------------------------------------------------------------

void UpstreamExchange::render_forwarded() {
    const auto& client = x_.client;
    request_.add("X-Forwarded-For", client.forwarded_for);
    request_.add("X-Forwarded-Proto", client.secure ? "https" : "http");
    if (!client.host.empty()) request_.add("X-Forwarded-Host", client.host);
    request_.add_number("X-Forwarded-Port", client.port);
    request_.add("X-Request-Id", x_.request_id);
}

/// Our own cookies are taken out, the others are kept byte for byte. Several
/// Cookie fields are one list (RFC 9113, 8.2.3 says how to join them).
void UpstreamExchange::render_cookies() {
    std::string cookies;
    for (const auto& field : x_.head.fields) {
        if (field.known != http::FieldName::cookie) continue;
        const auto kept = without_cookies(field.value, x_.gate.own_cookies);
        if (kept.empty()) continue;
        if (!cookies.empty()) cookies += "; ";
        cookies += kept;
    }
    if (!cookies.empty()) request_.add("Cookie", cookies);
}

/// The order matters: hop-by-hop and nominated fields go first, then whatever
/// looks like one of ours; what is ours comes last, so nothing can remove it.
void UpstreamExchange::render_request() {
    const auto& head = x_.head;
    request_.clear();
    request_.request_line(head.method, target_);
    if (upstream_.preserve_host && !x_.client.host.empty()) {
        request_.add("Host", x_.client.host);
    } else {
        const auto host = upstream_.host.find(':') == std::string::npos
                              ? upstream_.host
                              : "[" + upstream_.host + "]";
        const bool standard_port =
            upstream_.port == 0 || upstream_.port == (upstream_.tls ? 443 : 80);
        request_.add("Host", host.empty()    ? "localhost"
                             : standard_port ? host
                                             : host + ":" + std::to_string(upstream_.port));
    }
    const auto hops = hops_left(head);
    for (const auto& field : head.fields) {
        if (x_.gate.headers.drop_from_request(field)) continue;
        if (!head.nominated.empty() && is_nominated(head, field.name)) continue;
        if (hops && iequals(field.name, max_forwards)) continue;
        request_.add(field);
    }
    if (hops) request_.add_number("Max-Forwards", *hops);
    render_cookies();
    if (head.framing == http::Framing::length) {
        request_.add_number("Content-Length", head.content_length);
    } else if (head.framing == http::Framing::chunked) {
        request_.add("Transfer-Encoding", "chunked");
    }
    if (head.wants_upgrade()) {
        request_.add("Connection", "Upgrade");
        request_.add("Upgrade", head.upgrade);
    }
    render_forwarded();
    if (session_) {
        request_.append(session_->headers);
        if (x_.stale) request_.add_number("X-Discord-Stale", x_.stale->count());
        if (x_.tells_login_data) {
            request_.add("X-Discord-Login-Data", percent_encode(session_->session.login_data));
        }
    }
    request_.end();
}

// --- sending -----------------------------------------------------------------

/// As much of the body as is here already: it goes along with the head, so that
/// small requests need one system call.
std::string_view UpstreamExchange::first_piece() {
    if (x_.head.framing != http::Framing::length || x_.body.done()) return {};
    const auto buffered = x_.body.next_buffered();
    return buffered && *buffered ? **buffered : std::string_view{};
}

/// RFC 9110, 10.1.1; nothing for a client that sends without being told. Before
/// the answer may come, which is written to the same stream.
Task<bool> UpstreamExchange::tell_to_continue() {
    const bool waits = x_.head.expect_continue && x_.body.size() == 0 && x_.body.leftover().empty();
    if (!waits) co_return true;
    x_.stream.expires_after(timeouts_.body);
    const auto sent = co_await x_.stream.write("HTTP/1.1 100 Continue\r\n\r\n");
    if (!sent) {
        fail(sent.error());
        connection_->stream.close();
    }
    co_return sent.has_value();
}

/// The rest of the body. Stops quietly when the upstream does not want more:
/// its answer may be on its way, and decides.
Task<void> UpstreamExchange::send_body() {
    const auto& loop = *EventLoop::current();
    BodyBatch batch(x_.head.framing == http::Framing::chunked);
    while (!batch.ended()) {
        auto piece = x_.body.next_buffered();
        if (!piece) piece.emplace(co_await x_.body.next());
        batch.fill({}, std::move(piece), x_.body);
        if (batch.failure()) {
            if (response_done_) co_return;
            // The request will never be whole: the upstream must not think so.
            fail(*batch.failure());
            connection_->stream.close();
            co_return;
        }
        connection_->stream.expires_after(timeouts_.upstream);
        const auto pass = loop.passes();
        const auto sent = co_await connection_->stream.write(batch.parts(), x_.body.more());
        if (!sent) co_return;
        if (loop.passes() != pass) x_.body.stop_growing();
        // What is slow now is the client, which has a deadline of its own.
        connection_->stream.expires_never();
    }
    request_sent_ = true;
    connection_->stream.expires_after(timeouts_.upstream);
}

// --- receiving ---------------------------------------------------------------

/// Reads one response head; false: `failure_` says why not.
Task<bool> UpstreamExchange::read_head() {
    auto& buffer = connection_->buffer;
    http::HeadScanner scanner;
    bool is_first_piece = true;
    std::optional<SteadyClock::time_point> begun;
    for (;;) {
        if (!buffer.empty() && std::exchange(is_first_piece, false)) {
            const auto size = http::parse_response_at_once(buffer.view(), response_limits,
                                                           x_.head.method, response_);
            if (size > 0) {
                buffer.consume(size);
                co_return true;
            }
        }
        const auto found =
            buffer.empty() ? http::ParseResult{} : scanner.scan(buffer.view(), response_limits);
        auto refusal = found.refusal;
        if (!refusal && found.size > 0) {
            refusal = http::parse_response_head(buffer.view().substr(0, found.size),
                                                response_limits, x_.head.method, response_);
            if (!refusal) {
                buffer.consume(found.size);
                co_return true;
            }
        }
        if (refusal) {
            fail({ErrorKind::malformed_reply, ErrorSource::upstream, std::string(refusal->reason)});
            co_return false;
        }
        // The time for a head runs from its first byte, however it drips in.
        auto time_left = timeouts_.upstream;
        if (!buffer.empty()) {
            const auto now = EventLoop::current()->now();
            if (!begun) begun = now;
            time_left -= std::chrono::floor<config::Duration>(now - *begun);
            if (time_left.count() <= 0) {
                fail({ErrorKind::timed_out, ErrorSource::upstream, "head: timed out"});
                co_return false;
            }
        }
        if (request_sent_) connection_->stream.expires_after(time_left);
        const auto size = co_await connection_->stream.read_into(buffer, BlockCache::block_size);
        if (!size) {
            fail(size.error());
            co_return false;
        }
        if (*size == 0) {
            fail({ErrorKind::closed, ErrorSource::upstream, "closed before a response"});
            co_return false;
        }
        response_begun_ = true;
    }
}

void UpstreamExchange::render_response_fields(bool keep_length) {
    const auto& policy = x_.gate.headers;
    for (const auto& field : response_.fields) {
        if (keep_length && field.known == http::FieldName::content_length) {
            x_.out.add(field);
            continue;
        }
        if (policy.drop_from_response(field)) continue;
        if (!response_.nominated.empty() && is_nominated(response_, field.name)) continue;
        if (field.known == http::FieldName::set_cookie) {
            const auto name = set_cookie_name(field.value);
            bool ours = false;
            for (const auto& own : x_.gate.own_cookies) ours = ours || name == own;
            if (ours) {
                log_warn("upstream", upstream_.url + " tried to set a cookie of ours; dropped");
                continue;
            }
        }
        x_.out.add(field);
    }
}

/// A 1xx that is for the client; false when the client is gone.
Task<bool> UpstreamExchange::relay_interim() {
    // 100 was answered by us; HTTP/1.0 knows no interim responses (RFC 9110, 15.2).
    if (response_.status == 100 || x_.head.minor_version == 0) co_return true;
    x_.out.clear();
    x_.out.status_line(response_.status, response_.reason);
    render_response_fields(false);
    x_.out.end();
    x_.stream.expires_after(timeouts_.body);
    const auto sent = co_await x_.stream.write(x_.out.view());
    if (!sent) fail(sent.error());
    co_return sent.has_value();
}

/// How the body goes to the client, and the head that says so.
void UpstreamExchange::render_response(bool chunked) {
    x_.out.clear();
    x_.out.status_line(response_.status, response_.reason);
    // HEAD and 304 describe a body that does not come; 204 may not (RFC 9110, 8.6), and 205
    // says that it is empty (15.3.6).
    const bool is_reset = response_.status == 205;
    const bool keep_length =
        response_.framing == http::Framing::length ||
        (response_.framing == http::Framing::none && response_.status != 204 && !is_reset);
    render_response_fields(keep_length);
    // Who receives an answer without it, and has a clock, adds it (RFC 9110, 6.6.1).
    if (!response_.find(http::FieldName::date)) x_.out.add("Date", http::date_now());
    if (is_reset) x_.out.add("Content-Length", "0");
    if (chunked) x_.out.add("Transfer-Encoding", "chunked");
    if (passes_trailers()) {
        for (const auto& field : response_.fields) {
            if (field.known == http::FieldName::trailer) x_.out.add(field);
        }
    }
    if (!x_.keep_alive) {
        x_.out.add("Connection", "close");
    } else if (x_.head.minor_version == 0) {
        x_.out.add("Connection", "keep-alive");
    }
    x_.out.end();
}

/// An answer to HEAD, a 205 or a 304 that tells of a body: applications that send it
/// all the same would answer the next request with it.
bool UpstreamExchange::announces_what_does_not_come() const {
    if (response_.framing != http::Framing::none) return false;
    const auto length = response_.value("content-length");
    if (response_.status == 205 && length != "0") return true;
    return (!length.empty() && length != "0") || response_.find("transfer-encoding");
}

/// Chunked on both sides, and the client has said that it reads them.
bool UpstreamExchange::passes_trailers() const {
    return response_.framing == http::Framing::chunked && x_.head.minor_version == 1 &&
           wants_trailers(x_.head);
}

void UpstreamExchange::cut_client(const Error& error) {
    fail(error);
    x_.keep_alive = false;
    x_.cut = true;
}

/// The body, where it came along with the head: most do.
std::optional<std::string_view> UpstreamExchange::whole_body() const {
    if (response_.framing == http::Framing::none) return std::string_view{};
    const auto here = connection_->buffer.view();
    if (response_.framing != http::Framing::length || here.size() < response_.content_length) {
        return std::nullopt;
    }
    return here.substr(0, static_cast<std::size_t>(response_.content_length));
}

Task<void> UpstreamExchange::relay_body(bool chunked) {
    BodyReader body(connection_->stream, connection_->buffer, response_, ErrorSource::upstream,
                    timeouts_.upstream);
    if (passes_trailers()) body.keep_trailers(x_.gate.headers);
    const auto& loop = *EventLoop::current();
    BodyBatch batch(chunked);
    while (!batch.ended()) {
        auto piece = body.next_buffered();
        if (!piece && x_.out.empty()) piece.emplace(co_await body.next());
        batch.fill(x_.out.view(), std::move(piece), body);
        // Nothing was sent yet: the client can still be told what went wrong.
        if (batch.failure() && !x_.head_sent) co_return fail(*batch.failure());
        x_.head_sent = true;
        x_.stream.expires_after(timeouts_.body);
        const auto pass = loop.passes();
        const auto sent = co_await x_.stream.write(batch.parts(), body.more());
        if (!sent) co_return cut_client(sent.error());
        if (loop.passes() != pass) body.stop_growing();
        x_.out.clear();
        x_.record.response_bytes += batch.size();
    }
    if (batch.failure()) cut_client(*batch.failure());
    (void)body.next_buffered();  // gives the last piece back to the buffer
}

Task<void> UpstreamExchange::relay_response() {
    x_.record.status = response_.status;
    // A body of unknown length can only end with the connection for HTTP/1.0.
    const bool unknown_length = response_.framing == http::Framing::chunked ||
                                response_.framing == http::Framing::until_close;
    if (unknown_length && x_.head.minor_version == 0) x_.keep_alive = false;
    if (!request_sent_ || x_.head.wants_upgrade() || x_.gate.draining) x_.keep_alive = false;

    const bool chunked = unknown_length && x_.head.minor_version == 1;
    render_response(chunked);
    if (const auto body = whole_body()) {
        x_.head_sent = true;
        x_.stream.expires_after(timeouts_.body);
        const std::array<std::string_view, 2> parts{x_.out.view(), *body};
        const auto sent = co_await x_.stream.write(std::span<const std::string_view>(parts));
        if (!sent) co_return cut_client(sent.error());
        x_.record.response_bytes += body->size();
        connection_->buffer.consume(body->size());
    } else {
        co_await relay_body(chunked);
        if (failure_) co_return;
    }
    // Bytes behind the answer would be taken for the next one's, and be somebody
    // else's; is_quiet also finds those that TLS has read already.
    reusable_ = request_sent_ && response_.keep_alive() &&
                response_.framing != http::Framing::until_close && connection_->buffer.empty() &&
                !announces_what_does_not_come() && !x_.head.wants_upgrade();
}

/// What follows runs without us, and without our memory: see run_tunnel.
Task<void> UpstreamExchange::start_tunnel() {
    x_.stream.unwatch_peer();
    x_.out.clear();
    x_.out.status_line(101, "Switching Protocols");
    render_response_fields(false);
    x_.out.add("Connection", "Upgrade");
    x_.out.add("Upgrade", response_.upgrade);
    x_.out.end();
    x_.record.status = 101;
    x_.head_sent = true;
    x_.keep_alive = false;
    x_.stream.expires_after(timeouts_.body);
    const auto sent = co_await x_.stream.write(x_.out.view());
    if (!sent) co_return cut_client(sent.error());
    x_.upgraded = std::move(connection_);
}

Task<void> UpstreamExchange::receive() {
    const auto& loop = *EventLoop::current();
    const auto begin = loop.now();
    for (int interim = 0;; ++interim) {
        if (!co_await read_head()) co_return;
        if (response_.status >= 200 || response_.status == 101) break;
        if (interim == max_interim_responses) {
            fail({ErrorKind::malformed_reply, ErrorSource::upstream, "too many interim responses"});
            co_return;
        }
        if (!co_await relay_interim()) co_return;
    }
    x_.record.upstream = std::chrono::duration_cast<std::chrono::microseconds>(loop.now() - begin);
    if (response_.status != 101) {
        co_await relay_response();
    } else if (request_sent_ && x_.head.wants_upgrade() &&
               iequals(response_.upgrade, x_.head.upgrade)) {
        co_await start_tunnel();
    } else {
        fail({ErrorKind::malformed_reply, ErrorSource::upstream, "101 that nobody asked for"});
    }
}

// --- putting it together -----------------------------------------------------

/// A request that may be sent twice, and of which nothing is lost: RFC 9110,
/// 9.2.2 and RFC 9112, 9.3.1.
bool UpstreamExchange::may_repeat() const {
    const auto& method = x_.head.method;
    const bool safe = method == "GET" || method == "HEAD" || method == "OPTIONS";
    return safe && x_.head.framing == http::Framing::none && !response_begun_ && !x_.head_sent;
}

UpstreamPtr UpstreamExchange::take_idle() {
    const auto sure = may_repeat() ? UpstreamPool::Sure::as_polled : UpstreamPool::Sure::now;
    return x_.upstreams.take_idle(index_, sure);
}

Task<UpstreamExchange::Outcome> UpstreamExchange::attempt(UpstreamPtr connection) {
    connection_ = std::move(connection);
    x_.upstream = &connection_->stream;
    const bool body_follows = !x_.body.done();
    const std::array<std::string_view, 2> parts{request_.view(), first_piece()};
    connection_->stream.expires_after(timeouts_.upstream);
    const auto sent = co_await connection_->stream.write(std::span<const std::string_view>(parts));
    if (!sent) {
        fail(sent.error());
    } else if (request_sent_ = x_.body.done(); !body_follows || request_sent_) {
        // A client that went away would be noticed at the next write only, and
        // the application would work for nobody until then.
        x_.stream.watch_peer([this] {
            fail({ErrorKind::closed, ErrorSource::client, "went away before the answer"});
            connection_->stream.close();
        });
        co_await receive();
        x_.stream.unwatch_peer();
    } else if (connection_->stream.expires_never(); co_await tell_to_continue()) {
        co_await both(send_body(), receive_and_stop_sending());
    }
    x_.upstream = nullptr;
    if (failure_ && connection_->reused && may_repeat() && !x_.session_ended &&
        failure_->source == ErrorSource::upstream && failure_->kind != ErrorKind::timed_out) {
        failure_.reset();
        co_return Outcome::stale;
    }
    co_return Outcome::done;
}

/// With the answer's end nobody waits for the rest of the body any more.
Task<void> UpstreamExchange::receive_and_stop_sending() {
    co_await receive();
    response_done_ = true;
    if (request_sent_) co_return;
    connection_->stream.close();
    x_.stream.cancel_waiting();
}

/// Gives the connection back. An error is what the client is to be told.
std::optional<Error> UpstreamExchange::finish() {
    if (!failure_) {
        if (reusable_) x_.upstreams.put_back(index_, std::move(connection_));
        return std::nullopt;
    }
    x_.record.error = describe_error(*failure_);
    x_.keep_alive = false;
    const auto kind = failure_->kind;
    const bool client_is_gone = failure_->source == ErrorSource::client &&
                                kind != ErrorKind::timed_out && kind != ErrorKind::too_large &&
                                kind != ErrorKind::bad_request;
    if (x_.head_sent || x_.session_ended || client_is_gone) {
        x_.cut = true;
        return std::nullopt;
    }
    return failure_;
}

}  // namespace

Task<void> forward(Exchange& exchange, Route route, LiveSessionPtr session) {
    auto target =
        exchange.gate.routes.forwarded_target(route, exchange.head.path, exchange.head.query);
    if (!target) {
        exchange.record.error = "bad_request client: path ambiguous after strip_prefix";
        co_await send_reply(exchange, reply::refusal(exchange.page_context(), 400));
        co_return;
    }
    UpstreamExchange upstream(exchange, route, std::move(session), std::move(*target));
    upstream.render_request();
    for (const bool fresh : {false, true}) {
        auto connection = fresh ? nullptr : upstream.take_idle();
        if (!connection) {
            auto connected = co_await exchange.upstreams.connect(route.upstream);
            if (!connected) {
                upstream.fail(connected.error());
                break;
            }
            connection = std::move(*connected);
        }
        if (co_await upstream.attempt(std::move(connection)) == UpstreamExchange::Outcome::done) {
            break;
        }
    }
    if (const auto error = upstream.finish()) {
        co_await send_reply(exchange, reply::from_error(exchange.page_context(), *error));
    }
}

}  // namespace cordgate::proxy
