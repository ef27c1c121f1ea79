#include "cmd/cordgate/sample_app.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <thread>

#include "cmd/cordgate/sample_app_pages.hpp"

namespace cordgate {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using asio::ip::tcp;
using HttpRequest = http::request<http::string_body>;
using HttpResponse = http::response<http::string_body>;

constexpr auto patience = std::chrono::seconds(60);
constexpr int ticks_per_stream = 300;

sample::Request to_sample(const HttpRequest& request) {
    const std::string_view target(request.target().data(), request.target().size());
    sample::Request out{std::string(target.substr(0, target.find('?'))), {}};
    for (const auto& field : request) {
        out.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    }
    return out;
}

HttpResponse to_response(const HttpRequest& request) {
    const bool reads = request.method() == http::verb::get || request.method() == http::verb::head;
    sample::Answer answer;
    if (reads) {
        answer = sample::answer(to_sample(request));
    } else {
        answer = {405, "text/plain; charset=utf-8", "This page is for reading.\n", ""};
    }

    HttpResponse response(static_cast<http::status>(answer.status), request.version());
    response.set(http::field::content_type,
                 beast::string_view(answer.content_type.data(), answer.content_type.size()));
    // The pages differ by visitor, and after a logout none may come from a cache.
    response.set(http::field::cache_control, "no-store");
    response.set("X-Content-Type-Options", "nosniff");
    response.set("Referrer-Policy", "same-origin");
    if (!reads) response.set(http::field::allow, "GET, HEAD");
    if (!answer.policy.empty()) response.set("Content-Security-Policy", answer.policy);
    response.keep_alive(request.keep_alive());
    response.content_length(answer.body.size());
    if (request.method() != http::verb::head) response.body() = std::move(answer.body);
    return response;
}

// Greets by name, then says again whatever is said.
asio::awaitable<void> talk(beast::tcp_stream stream, HttpRequest request) {
    const std::string name = sample::display_name(to_sample(request));
    stream.expires_never();
    websocket::stream<beast::tcp_stream> socket(std::move(stream));
    socket.set_option(websocket::stream_base::timeout::suggested(beast::role_type::server));
    socket.read_message_max(64 * 1024);
    co_await socket.async_accept(request, asio::use_awaitable);

    const std::string greeting = "Hello, " + name + "! What you say here comes back.";
    socket.text(true);
    co_await socket.async_write(asio::buffer(greeting), asio::use_awaitable);
    beast::flat_buffer buffer;
    while (true) {
        co_await socket.async_read(buffer, asio::use_awaitable);
        const bool is_text = socket.got_text();
        const std::string said =
            (is_text ? name + ": " : "") + beast::buffers_to_string(buffer.data());
        buffer.clear();
        socket.text(is_text);
        co_await socket.async_write(asio::buffer(said), asio::use_awaitable);
    }
}

// One event a second; the body ends with the connection (RFC 9112, 6.3).
asio::awaitable<void> tick(beast::tcp_stream& stream) {
    const std::string head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n";
    co_await asio::async_write(stream, asio::buffer(head), asio::use_awaitable);
    asio::steady_timer timer(co_await asio::this_coro::executor);
    for (int i = 1; i <= ticks_per_stream; ++i) {
        const std::string event =
            "id: " + std::to_string(i) + "\ndata: tick " + std::to_string(i) + "\n\n";
        stream.expires_after(patience);
        co_await asio::async_write(stream, asio::buffer(event), asio::use_awaitable);
        timer.expires_after(std::chrono::seconds(1));
        co_await timer.async_wait(asio::use_awaitable);
    }
}

asio::awaitable<void> serve(tcp::socket socket) {
    beast::tcp_stream stream(std::move(socket));
    beast::flat_buffer buffer;
    bool keep_alive = true;
    while (keep_alive) {
        http::request_parser<http::string_body> parser;
        parser.body_limit(1024 * 1024);
        parser.header_limit(64 * 1024);
        stream.expires_after(patience);
        co_await http::async_read(stream, buffer, parser, asio::use_awaitable);
        HttpRequest request = parser.release();

        const std::string path = to_sample(request).path;
        if (path == "/socket" && websocket::is_upgrade(request)) {
            co_await talk(std::move(stream), std::move(request));
            co_return;
        }
        if (path == "/events" && request.method() == http::verb::get) {
            co_await tick(stream);
            break;
        }
        HttpResponse response = to_response(request);
        keep_alive = response.keep_alive();
        http::response_serializer<http::string_body> serializer(response);
        if (request.method() == http::verb::head) {
            co_await http::async_write_header(stream, serializer, asio::use_awaitable);
        } else {
            co_await http::async_write(stream, serializer, asio::use_awaitable);
        }
    }
    beast::error_code ignored;
    stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
}

// A visitor who goes away in the middle is nothing to speak of here.
void forget(std::exception_ptr) {}

asio::awaitable<void> listen(tcp::acceptor& acceptor) {
    while (true) {
        beast::error_code error;
        tcp::socket socket =
            co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
        if (error == asio::error::operation_aborted) co_return;
        if (!error) asio::co_spawn(acceptor.get_executor(), serve(std::move(socket)), forget);
    }
}

}  // namespace

class SampleApp::Server {
public:
    Server()
        : acceptor_(io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
          port_(acceptor_.local_endpoint().port()) {
        asio::co_spawn(io_, listen(acceptor_), forget);
        thread_ = std::thread([this] { io_.run(); });
    }
    ~Server() {
        io_.stop();
        thread_.join();
    }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    std::uint16_t port() const { return port_; }

private:
    asio::io_context io_{1};
    tcp::acceptor acceptor_;
    std::uint16_t port_;
    std::thread thread_;
};

SampleApp::SampleApp() = default;
SampleApp::~SampleApp() = default;

std::uint16_t SampleApp::start() {
    server_ = std::make_unique<Server>();
    return server_->port();
}

void SampleApp::stop() {
    server_.reset();
}

}  // namespace cordgate
