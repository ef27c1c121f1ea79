#include "core/discord/http.hpp"

#include <fcntl.h>
#include <httplib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>

#include "core/ascii.hpp"

namespace cordgate::discord {
namespace {

using Milliseconds = std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr Milliseconds shortest_attempt = 50ms;
constexpr std::size_t max_idle_connections = 16;
constexpr auto max_idle_time = 20s;

Error failure(ErrorKind kind, std::string detail) {
    return {kind, ErrorSource::discord, std::move(detail)};
}

Milliseconds until(Steady::time_point deadline) {
    return std::chrono::duration_cast<Milliseconds>(deadline - Steady::now());
}

/// Cuts sockets at their deadline. httplib's own time-outs bound each read, so
/// a peer that sends a byte now and then would hold a call for ever.
class Watchdog {
public:
    using Ticket = std::multimap<Steady::time_point, int>::iterator;

    Watchdog() : thread_([this] { run(); }) {}
    ~Watchdog() {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        changed_.notify_one();
        thread_.join();
    }
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;

    /// `descriptor` must stay open until `forget`.
    Ticket watch(int descriptor, Steady::time_point deadline) {
        const std::lock_guard lock(mutex_);
        changed_.notify_one();
        return sockets_.emplace(deadline, descriptor);
    }
    void forget(Ticket ticket) {
        const std::lock_guard lock(mutex_);
        sockets_.erase(ticket);
    }

private:
    void run() {
        std::unique_lock lock(mutex_);
        while (!stopping_) {
            const auto now = Steady::now();
            auto next = sockets_.begin();
            while (next != sockets_.end() && next->first <= now) {
                ::shutdown(next->second, SHUT_RDWR);
                ++next;
            }
            // What was cut stays listed until its call forgets it.
            if (next == sockets_.end()) {
                changed_.wait(lock);
            } else {
                const auto deadline = next->first;
                changed_.wait_until(lock, deadline);
            }
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::multimap<Steady::time_point, int> sockets_;
    bool stopping_ = false;
    std::thread thread_;
};

/// One keep-alive connection; used by one thread at a time.
class Connection {
public:
    Connection(const HttpOptions& options, Watchdog& watchdog)
        : host_(options.origin.host), http_(options.origin.to_string()), watchdog_(watchdog) {
        http_.set_keep_alive(true);
        http_.set_follow_location(false);  // a redirect would carry our secrets elsewhere
        http_.set_decompress(false);
        http_.set_url_encode(false);
        http_.set_tcp_nodelay(true);
        http_.set_socket_options([this](socket_t socket) { adopt(socket); });
        if (!options.origin.is_secure()) return;
        http_.enable_server_certificate_verification(true);
        if (options.ca_file.empty()) return;
        // Adds to the system's certificates, which httplib loads as well;
        // set_ca_cert_path() would replace them.
        if (SSL_CTX_load_verify_locations(http_.ssl_context(), options.ca_file.c_str(), nullptr) !=
            1) {
            throw std::invalid_argument("discord.ca_file: cannot read certificates from " +
                                        options.ca_file);
        }
    }
    ~Connection() { drop(); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    bool is_open() const { return http_.is_socket_open() != 0; }
    /// Where the next connection goes.
    void aim_at(const std::string& address) {
        http_.set_hostname_addr_map({
            {host_, address}
        });
    }

    httplib::Result send(const httplib::Request& request, Milliseconds connect_timeout,
                         Steady::time_point deadline) {
        deadline_ = deadline;
        const auto left = std::max(until(deadline), shortest_attempt);
        http_.set_connection_timeout(std::min(connect_timeout, left));
        // The watchdog keeps the deadline; these come a little later, so that a call
        // that took too long is told apart from a connection that broke.
        http_.set_read_timeout(left + grace);
        http_.set_write_timeout(left + grace);
        if (descriptor_ >= 0) ticket_ = watchdog_.watch(descriptor_, deadline);
        auto result = http_.send(request);
        if (ticket_) watchdog_.forget(*ticket_);
        ticket_.reset();
        return result;
    }

    Steady::time_point idle_since = Steady::now();

private:
    static constexpr Milliseconds grace{100};

    // A copy of the descriptor names the socket even after httplib closed its
    // own, so the watchdog can never cut a stranger that got the same number.
    void adopt(socket_t socket) {
        drop();
        descriptor_ = ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
        if (descriptor_ >= 0) ticket_ = watchdog_.watch(descriptor_, deadline_);
    }
    void drop() {
        if (ticket_) watchdog_.forget(*ticket_);
        ticket_.reset();
        if (descriptor_ >= 0) ::close(descriptor_);
        descriptor_ = -1;
    }

    const std::string host_;
    httplib::Client http_;
    Watchdog& watchdog_;
    Steady::time_point deadline_;
    std::optional<Watchdog::Ticket> ticket_;
    int descriptor_ = -1;
};

/// Idle connections, the last used first.
class Pool {
public:
    explicit Pool(const HttpOptions& options) : options_(options) {}

    std::unique_ptr<Connection> fresh() {
        return std::make_unique<Connection>(options_, watchdog_);
    }
    std::unique_ptr<Connection> take() {
        {
            const std::lock_guard lock(mutex_);
            while (!idle_.empty()) {
                auto connection = std::move(idle_.back());
                idle_.pop_back();
                if (Steady::now() - connection->idle_since < max_idle_time) return connection;
            }
        }
        return fresh();
    }
    void give_back(std::unique_ptr<Connection> connection) {
        connection->idle_since = Steady::now();
        const std::lock_guard lock(mutex_);
        if (idle_.size() < max_idle_connections) idle_.push_back(std::move(connection));
    }

private:
    const HttpOptions& options_;
    Watchdog watchdog_;  // outlives the connections below
    std::mutex mutex_;
    std::vector<std::unique_ptr<Connection>> idle_;
};

httplib::Request to_httplib(const HttpCall& call) {
    httplib::Request request;
    request.method = call.method;
    request.path = call.target;
    for (const auto& [name, value] : call.headers) request.headers.emplace(name, value);
    request.body = call.body;
    return request;
}

bool never_connected(const httplib::Result& sent) {
    return !sent && (sent.error() == httplib::Error::Connection ||
                     sent.error() == httplib::Error::ConnectionTimeout);
}

std::string media_type(const HttpAnswer& answer) {
    const std::string type = lowercase(answer.header("Content-Type"));
    return std::string(trim(std::string_view(type).substr(0, type.find(';'))));
}

}  // namespace

std::string HttpAnswer::header(std::string_view name) const {
    const auto it = std::find_if(headers.begin(), headers.end(),
                                 [&](const auto& field) { return iequals(field.first, name); });
    return it == headers.end() ? std::string() : it->second;
}

bool HttpAnswer::is_json() const {
    return media_type(*this) == "application/json";
}

bool HttpAnswer::is_page() const {
    return media_type(*this) == "text/html";
}

class HttpClient::Impl {
public:
    explicit Impl(HttpOptions options)
        : options_(std::move(options)),
          pool_(options_),
          resolver_(options_.resolve, ErrorSource::discord) {
        // OpenSSL writes without MSG_NOSIGNAL: a peer that went away must be
        // an error, not the end of the process.
        std::signal(SIGPIPE, SIG_IGN);
        pool_.give_back(pool_.fresh());  // fails now when ca_file cannot be read
    }

    Result<HttpAnswer> send(const HttpCall& call, Steady::time_point deadline) {
        const std::string where = call.method + " " + call.target + ": ";
        HttpAnswer answer;
        bool too_large = false;
        auto request = to_httplib(call);
        request.content_receiver = [&](const char* data, std::size_t size, std::uint64_t,
                                       std::uint64_t) {
            too_large = answer.body.size() + size > options_.max_response_bytes;
            if (too_large || Steady::now() >= deadline) return false;
            answer.body.append(data, size);
            return true;
        };
        auto connection = call.on_fresh_connection ? pool_.fresh() : pool_.take();
        auto sent = dispatch(*connection, request, deadline);
        if (!sent) return failure(sent.error().kind, where + sent.error().detail);

        auto& result = *sent;
        if (!result || Steady::now() >= deadline) {
            if (too_large) return failure(ErrorKind::malformed_reply, where + "answer too large");
            if (Steady::now() >= deadline) {
                return failure(ErrorKind::timed_out, where + "deadline passed");
            }
            return failure(ErrorKind::unavailable, where + httplib::to_string(result.error()));
        }
        answer.status = result->status;
        answer.headers.assign(result->headers.begin(), result->headers.end());
        pool_.give_back(std::move(connection));
        const std::string encoding = lowercase(answer.header("Content-Encoding"));
        if (!encoding.empty() && encoding != "identity") {
            return failure(ErrorKind::malformed_reply, where + "compressed unasked");
        }
        return answer;
    }

private:
    // To the first address that lets us connect; a call that was not sent yet may
    // go to the next one, whatever it is (RFC 8305, in its simplest form).
    Result<httplib::Result> dispatch(Connection& connection, const httplib::Request& request,
                                     Steady::time_point deadline) {
        if (connection.is_open() || Resolver::is_address(options_.origin.host)) {
            return connection.send(request, options_.connect_timeout, deadline);
        }
        auto addresses = resolver_.find(options_.origin.host, deadline);
        if (!addresses) return addresses.error();
        auto left = addresses->size();
        for (const auto& address : *addresses) {
            connection.aim_at(address);
            const auto patience = options_.connect_timeout / (left > 1 ? 2 : 1);
            auto sent = connection.send(request, patience, deadline);
            if (--left == 0 || !never_connected(sent) || until(deadline) < shortest_attempt) {
                if (never_connected(sent)) resolver_.forget(options_.origin.host);
                if (sent) resolver_.prefer(options_.origin.host, address);
                return sent;
            }
        }
        return failure(ErrorKind::unavailable, "host has no address");
    }

    const HttpOptions options_;
    Pool pool_;
    Resolver resolver_;
};

HttpClient::HttpClient(HttpOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
HttpClient::~HttpClient() = default;

Result<HttpAnswer> HttpClient::send(const HttpCall& call, Steady::time_point deadline) {
    return impl_->send(call, deadline);
}

}  // namespace cordgate::discord
