#include "cmd/discord-sim/simulator.hpp"

#include <arpa/inet.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <condition_variable>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "cmd/discord-sim/webhook_sender.hpp"
#include "core/hex.hpp"

namespace cordgate::sim {
namespace {

int port_of(const sockaddr_storage& address) {
    if (address.ss_family == AF_INET6) {
        sockaddr_in6 six{};
        std::memcpy(&six, &address, sizeof six);
        return ntohs(six.sin6_port);
    }
    sockaddr_in four{};
    std::memcpy(&four, &address, sizeof four);
    return ntohs(four.sin_port);
}

// The HTTP library keeps the socket of a request to itself. Faults on the wire
// need it, and the pair of ports finds it among our descriptors.
int find_socket(int local_port, int remote_port) {
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        const int fd = std::atoi(entry.path().filename().c_str());
        sockaddr_storage local{};
        sockaddr_storage remote{};
        socklen_t size = sizeof local;
        void* const local_address = &local;
        void* const remote_address = &remote;
        if (getsockname(fd, static_cast<sockaddr*>(local_address), &size) != 0) continue;
        size = sizeof remote;
        if (getpeername(fd, static_cast<sockaddr*>(remote_address), &size) != 0) continue;
        if (port_of(local) == local_port && port_of(remote) == remote_port) return fd;
    }
    return -1;
}

bool send_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

std::string chunked(std::string_view body) {
    std::string out;
    while (!body.empty()) {
        const auto piece = body.substr(0, 7);
        body.remove_prefix(piece.size());
        out += std::to_string(piece.size()) + "\r\n" + std::string(piece) + "\r\n";
    }
    return out + "0\r\n\r\n";
}

struct Wire {
    std::string head;
    std::string body;
};

Wire render(const Reply& reply, const Delivery& delivery) {
    if (delivery.raw) return {*delivery.raw, ""};
    Wire wire;
    wire.head = "HTTP/1.1 " + std::to_string(reply.status) + " Simulated\r\nConnection: close\r\n";
    if (!reply.content_type.empty()) wire.head += "Content-Type: " + reply.content_type + "\r\n";
    for (const auto& [name, value] : reply.headers) wire.head += name + ": " + value + "\r\n";
    wire.body = delivery.chunked ? chunked(reply.body) : reply.body;
    if (delivery.chunked) {
        wire.head += "Transfer-Encoding: chunked\r\n\r\n";
    } else {
        const auto length = delivery.content_length.value_or(reply.body.size());
        wire.head += "Content-Length: " + std::to_string(length) + "\r\n\r\n";
    }
    return wire;
}

Call to_call(const httplib::Request& request) {
    const auto mark = request.target.find('?');
    Call call;
    call.method = request.method == "HEAD" ? "GET" : request.method;
    call.path = request.target.substr(0, mark);
    if (mark != std::string::npos) call.query = request.target.substr(mark + 1);
    call.body = request.body;
    call.authorization = request.get_header_value("Authorization");
    call.content_type = request.get_header_value("Content-Type");
    call.user_agent = request.get_header_value("User-Agent");
    call.cookie = request.get_header_value("Cookie");
    call.origin = request.get_header_value("Origin");
    call.client = request.remote_addr;
    return call;
}

Application application_of(const Simulator::Options& options) {
    return {.client_id = options.client_id,
            .client_secret = options.client_secret,
            .name = options.application_name,
            .bot_token = options.bot_token,
            .redirect_uris = options.redirect_uris,
            .is_public = options.is_public,
            .event_key = ed25519_key(options.event_secret)};
}

}  // namespace

/// The part that listens.
class Simulator::Server {
public:
    explicit Server(Options options)
        : world(options.world),
          service(application_of(options), world, options.now),
          options_(std::move(options)) {
        service.settings.rate_limits = options_.rate_limits;
        if (options_.log) service.log = options_.log;
    }
    ~Server() { stop(); }

    int start();
    void stop();

    World world;
    Service service;
    WebhookSender sender{service};
    int port = 0;
    const std::string& host() const { return options_.host; }

private:
    void answer(const httplib::Request& request, httplib::Response& response);
    void deliver(int fd, const Reply& reply, const Delivery& delivery);
    /// Waits for simulated slowness; false when the simulator stops meanwhile.
    bool wait(std::chrono::milliseconds time);

    Options options_;
    std::unique_ptr<httplib::Server> http_;
    int listener_ = -1;  ///< http_'s
    std::thread thread_;
    std::mutex stop_mutex_;
    std::condition_variable stop_signal_;
    bool stopping_ = false;
};

int Simulator::Server::start() {
    http_ = std::make_unique<httplib::Server>();
    // Its default shares a port between processes: two simulators would answer in turns.
    http_->set_socket_options([this](auto socket) {
        listener_ = socket;
        const int on = 1;
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    });
    http_->set_tcp_nodelay(true);
    http_->set_keep_alive_max_count(1000000);
    http_->new_task_queue = [] { return new httplib::ThreadPool(32); };
    const auto handler = [this](const httplib::Request& request, httplib::Response& response) {
        answer(request, response);
    };
    // A request without a length has no body (RFC 9112, 6.3); the library would wait for one.
    http_->set_pre_routing_handler(
        [this](const httplib::Request& request, httplib::Response& response) {
            if (request.method == "GET" || request.method == "HEAD" ||
                request.has_header("Content-Length") || request.has_header("Transfer-Encoding")) {
                return httplib::Server::HandlerResponse::Unhandled;
            }
            answer(request, response);
            return httplib::Server::HandlerResponse::Handled;
        });
    const auto* const everything = R"([\s\S]*)";
    http_->Get(everything, handler);
    http_->Post(everything, handler);
    http_->Put(everything, handler);
    http_->Patch(everything, handler);
    http_->Delete(everything, handler);
    http_->Options(everything, handler);

    const bool any = options_.port == 0;
    port = any ? http_->bind_to_any_port(options_.host) : options_.port;
    if (port < 0 || (!any && !http_->bind_to_port(options_.host, port))) {
        throw std::runtime_error("cannot listen on " + options_.host + ":" +
                                 std::to_string(options_.port));
    }
    // The library lets five clients wait; a rush of logins would see some of them reset.
    ::listen(listener_, SOMAXCONN);
    {
        const auto lock = service.lock();
        service.base_url = "http://" + options_.host + ":" + std::to_string(port);
    }
    stopping_ = false;
    sender.start();
    thread_ = std::thread([this] { http_->listen_after_bind(); });
    // stop() has an effect only on a server that runs.
    while (!http_->is_running()) std::this_thread::yield();
    return port;
}

void Simulator::Server::stop() {
    sender.stop();
    if (!thread_.joinable()) return;
    {
        const std::scoped_lock lock(stop_mutex_);
        stopping_ = true;
    }
    stop_signal_.notify_all();
    http_->stop();
    thread_.join();
}

bool Simulator::Server::wait(std::chrono::milliseconds time) {
    std::unique_lock lock(stop_mutex_);
    return !stop_signal_.wait_for(lock, time, [&] { return stopping_; });
}

void Simulator::Server::answer(const httplib::Request& request, httplib::Response& response) {
    auto answer = service.handle(to_call(request));
    const auto& delivery = answer.delivery;
    if (delivery.delay.count() > 0 && !wait(delivery.delay)) return;
    if (delivery.is_special()) {
        const int fd = find_socket(port, request.remote_port);
        if (fd < 0) throw std::runtime_error("the socket of a request is gone");
        deliver(fd, answer.reply, delivery);
        return;
    }
    response.status = answer.reply.status;
    for (const auto& [name, value] : answer.reply.headers) response.set_header(name, value);
    if (!answer.reply.content_type.empty()) {
        response.set_content(answer.reply.body, answer.reply.content_type);
    }
}

// The answer goes around the HTTP library, which then finds the connection closed.
void Simulator::Server::deliver(int fd, const Reply& reply, const Delivery& delivery) {
    const auto wire = render(reply, delivery);
    const auto all = wire.head + wire.body;
    auto end = std::min(delivery.cut_after.value_or(all.size()), all.size());
    if (delivery.cut_body_after) end = std::min(end, wire.head.size() + *delivery.cut_body_after);
    std::size_t sent = 0;
    while (sent < end) {
        const bool in_head = sent < wire.head.size();
        const auto pause = in_head ? delivery.drip_head : delivery.drip;
        const auto rest = in_head ? std::min(end, wire.head.size()) - sent : end - sent;
        const auto piece = pause.count() > 0 ? 1 : rest;
        if (!send_all(fd, std::string_view(all).substr(sent, piece))) break;
        sent += piece;
        if (pause.count() > 0 && !wait(pause)) break;
    }
    shutdown(fd, SHUT_RDWR);
}

Simulator::Simulator(Options options) : server_(std::make_unique<Server>(std::move(options))) {}

Simulator::~Simulator() {
    stop();
}

int Simulator::start() {
    return server_->start();
}

void Simulator::stop() {
    server_->stop();
}

int Simulator::port() const {
    return server_->port;
}

std::string Simulator::base_url() const {
    return "http://" + server_->host() + ":" + std::to_string(server_->port);
}

std::string Simulator::api_url() const {
    return base_url() + "/api/v10";
}

std::string Simulator::authorize_url() const {
    return base_url() + "/oauth2/authorize";
}

std::string Simulator::cdn_url() const {
    return base_url();
}

World& Simulator::world() {
    return server_->world;
}

void Simulator::approve_as(Snowflake user) {
    const auto lock = server_->service.lock();
    server_->service.consent = {AutoConsent::Mode::approve, user};
}

void Simulator::deny_all() {
    const auto lock = server_->service.lock();
    server_->service.consent = {AutoConsent::Mode::deny, {}};
}

void Simulator::ask_people() {
    const auto lock = server_->service.lock();
    server_->service.consent = {};
}

int Simulator::count(std::string_view route) const {
    const auto lock = server_->service.lock();
    return server_->service.count(route);
}

void Simulator::add_fault(Fault fault) {
    const auto lock = server_->service.lock();
    server_->service.faults.add(std::move(fault));
}

void Simulator::add_fault(std::string_view route, std::string_view kind, int times) {
    auto fault = fault_by_name(kind);
    if (!fault) throw std::invalid_argument("no fault is called " + std::string(kind));
    fault->route = route;
    fault->times = times;
    add_fault(std::move(*fault));
}

void Simulator::clear_faults() {
    const auto lock = server_->service.lock();
    server_->service.faults.clear();
}

void Simulator::advance(std::chrono::milliseconds by) {
    const auto lock = server_->service.lock();
    server_->service.skew += by;
    server_->service.events_changed.notify_all();
}

void Simulator::deauthorize(Snowflake user) {
    const auto lock = server_->service.lock();
    server_->service.deauthorize(user);
    server_->service.events_changed.notify_all();
}

std::string Simulator::verify_key() const {
    return hex_encode(server_->service.application.event_key.public_key);
}

void Simulator::subscribe(std::string url) {
    const auto lock = server_->service.lock();
    server_->service.events.subscribe(std::move(url));
}

void Simulator::send_event(const std::string& type, Snowflake user, Signing signing) {
    const auto lock = server_->service.lock();
    auto& service = server_->service;
    service.queue_event(type, user, signing);
    service.events_changed.notify_all();
}

std::vector<EventPost> Simulator::settled_events() {
    server_->sender.settle();
    const auto lock = server_->service.lock();
    const auto& posts = server_->service.events.posts();
    return {posts.begin(), posts.end()};
}

void Simulator::expire_tokens(Snowflake user) {
    const auto lock = server_->service.lock();
    server_->service.grants.expire(user, server_->service.now());
}

Grants::Reuses Simulator::reused_tokens() const {
    const auto lock = server_->service.lock();
    return server_->service.grants.reuses();
}

void Simulator::change_settings(const std::function<void(Settings&)>& edit) {
    const auto lock = server_->service.lock();
    edit(server_->service.settings);
}

void Simulator::add_redirect_uri(std::string uri) {
    const auto lock = server_->service.lock();
    server_->service.application.redirect_uris.push_back(std::move(uri));
}

void Simulator::reset() {
    const auto lock = server_->service.lock();
    server_->service.reset();
}

}  // namespace cordgate::sim
