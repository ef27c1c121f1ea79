#include "proxy/internal_api.hpp"

#include <httplib.h>

#include <mutex>
#include <stdexcept>
#include <thread>

#include "proxy/access_log.hpp"
#include "proxy/pages.hpp"

namespace cordgate::proxy {

struct InternalApi::Impl {
    explicit Impl(Gate& g) : gate(g) {}

    Gate& gate;
    httplib::Server server;
    std::thread thread;
    config::Endpoint bound;

    void add_routes();
    void answer_ready(httplib::Response& response);
};

namespace {

void answer_problem(httplib::Response& response, int status, std::string_view code,
                    std::string_view title, std::string_view detail) {
    response.status = status;
    response.set_content(problem_json(status, code, title, detail), std::string(problem_type));
}

}  // namespace

void InternalApi::Impl::answer_ready(httplib::Response& response) {
    if (gate.draining) {
        return answer_problem(response, 503, "unavailable", "Draining",
                              "The daemon finishes what is under way and takes nothing new.");
    }
    const auto alive = gate.sessions.ping();
    if (!alive) {
        log_warn("readyz", describe_error(alive.error()));
        return answer_problem(response, 503, "unavailable", "Store not reachable",
                              "The session store does not answer; see the log.");
    }
    response.set_content("{\"ready\":true}\n", "application/json");
}

void InternalApi::Impl::add_routes() {
    server.Get("/healthz", [](const httplib::Request&, httplib::Response& response) {
        response.set_content("{\"alive\":true}\n", "application/json");
    });
    server.Get("/readyz", [this](const httplib::Request&, httplib::Response& response) {
        answer_ready(response);
    });
    server.set_error_handler([](const httplib::Request&, httplib::Response& response) {
        if (!response.body.empty()) return;
        answer_problem(response, response.status, "not_found", "Not found",
                       "The internal API has no such call.");
    });
}

InternalApi::InternalApi(Gate& gate) : impl_(std::make_unique<Impl>(gate)) {
    impl_->add_routes();
}

InternalApi::~InternalApi() {
    stop();
}

void InternalApi::start() {
    auto& server = impl_->server;
    impl_->bound = impl_->gate.settings.internal.listen;
    auto& endpoint = impl_->bound;
    server.set_read_timeout(5, 0);
    server.set_write_timeout(5, 0);
    server.set_payload_max_length(1 << 20);
    server.new_task_queue = [] { return new httplib::ThreadPool(4); };
    bool ok = false;
    if (!endpoint.unix_path.empty()) {
        server.set_address_family(AF_UNIX);
        ok = server.bind_to_port(endpoint.unix_path.c_str(), 80);
    } else if (endpoint.port == 0) {
        const int port = server.bind_to_any_port(endpoint.host.c_str());
        ok = port > 0;
        endpoint.port = static_cast<std::uint16_t>(port);
    } else {
        // httplib would share the port with another process (SO_REUSEPORT).
        server.set_socket_options([](socket_t fd) {
            const int on = 1;
            ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        });
        ok = server.bind_to_port(endpoint.host.c_str(), endpoint.port);
    }
    if (!ok) {
        throw std::runtime_error("cannot listen on " + endpoint.to_string() +
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
}

}  // namespace cordgate::proxy
