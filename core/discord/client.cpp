#include "core/discord/client.hpp"

#include <fcntl.h>
#include <httplib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <iterator>
#include <map>
#include <mutex>
#include <random>
#include <stdexcept>
#include <thread>
#include <utility>

#include "core/ascii.hpp"
#include "core/base64.hpp"
#include "core/crypto.hpp"
#include "core/discord/json.hpp"
#include "core/url.hpp"

namespace cordgate::discord {
namespace {

using Milliseconds = std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr Milliseconds shortest_block = 1s;
constexpr Milliseconds longest_block = 10min;  // also when nobody says how long
constexpr Milliseconds longest_wait = 2s;      // beyond that a caller is told to come back
constexpr Milliseconds shortest_attempt = 50ms;
constexpr int max_attempts = 2;
constexpr std::size_t max_idle_connections = 16;
constexpr auto max_idle_time = 20s;
constexpr std::size_t max_known_limits = 10000;
constexpr std::size_t max_invalid_requests = 1000;  // Discord bans at 10,000 in this window
constexpr auto invalid_request_window = 10min;

Error failure(ErrorKind kind, std::string detail,
              std::optional<Milliseconds> retry_after = std::nullopt) {
    return {kind, ErrorSource::discord, std::move(detail), retry_after};
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
    Connection(const ClientOptions& options, const Origin& origin, Watchdog& watchdog)
        : http_(origin.to_string()), watchdog_(watchdog) {
        http_.set_keep_alive(true);
        http_.set_follow_location(false);  // a redirect would carry our secrets elsewhere
        http_.set_decompress(false);
        http_.set_url_encode(false);
        http_.set_tcp_nodelay(true);
        http_.set_socket_options([this](socket_t socket) { adopt(socket); });
        if (!origin.is_secure()) return;
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

    httplib::Client http_;
    Watchdog& watchdog_;
    Steady::time_point deadline_;
    std::optional<Watchdog::Ticket> ticket_;
    int descriptor_ = -1;
};

/// Idle connections, the last used first.
class Pool {
public:
    Pool(const ClientOptions& options, Origin origin)
        : options_(options), origin_(std::move(origin)) {}

    std::unique_ptr<Connection> fresh() {
        return std::make_unique<Connection>(options_, origin_, watchdog_);
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
    const ClientOptions& options_;
    const Origin origin_;
    Watchdog watchdog_;  // outlives the connections below
    std::mutex mutex_;
    std::vector<std::unique_ptr<Connection>> idle_;
};

/// What Discord told us about its limits, by identity and route. Times are the
/// wall clock's; one that jumped back cannot block for longer than the maximum.
class RateLimits {
public:
    /// How long a call under `key` must wait; zero reserves one unit for it.
    Milliseconds reserve(const std::string& key, TimePoint now) {
        const std::lock_guard lock(mutex_);
        const Milliseconds everything = remaining(blocked_until_, now);
        if (everything > 0ms) return everything;
        const auto it = limits_.find(key);
        if (it == limits_.end()) return 0ms;
        const Milliseconds wait = remaining(it->second.resets_at, now);
        if (wait == 0ms) {
            limits_.erase(it);
        } else if (it->second.units > 0) {
            --it->second.units;
            return 0ms;
        }
        return wait;
    }
    void learn(const std::string& key, long long units, Milliseconds reset_after, TimePoint now) {
        const std::lock_guard lock(mutex_);
        if (limits_.size() >= max_known_limits && !limits_.count(key)) make_room(now);
        Limit& limit = limits_[key];
        // Answers of parallel calls overtake each other; the smaller count is later.
        const bool same_window = remaining(limit.resets_at, now) > 0ms;
        limit.units = same_window ? std::min(limit.units, units) : units;
        limit.resets_at = std::max(limit.resets_at, now + reset_after);
        if (remaining(limit.resets_at, now) == 0ms) limit.resets_at = now + reset_after;
    }
    void block(const std::string& key, Milliseconds duration, TimePoint now) {
        learn(key, 0, duration, now);
    }
    void block_everything(Milliseconds duration, TimePoint now) {
        const std::lock_guard lock(mutex_);
        if (duration > remaining(blocked_until_, now)) blocked_until_ = now + duration;
    }

private:
    struct Limit {
        long long units = 0;
        TimePoint resets_at;
    };

    static Milliseconds remaining(TimePoint end, TimePoint now) {
        // Rounded up, or a caller would come a little too early.
        const auto left = std::chrono::ceil<Milliseconds>(end - now);
        return left <= 0ms || left > longest_block ? 0ms : left;
    }
    void make_room(TimePoint now) {
        for (auto it = limits_.begin(); it != limits_.end();) {
            it = remaining(it->second.resets_at, now) == 0ms ? limits_.erase(it) : std::next(it);
        }
        if (limits_.size() >= max_known_limits) limits_.erase(limits_.begin());
    }

    std::mutex mutex_;
    std::map<std::string, Limit> limits_;
    TimePoint blocked_until_;
};

/// Opens when too many answers were 401, 403 or 429, long before Discord bans
/// our address for it.
class Breaker {
public:
    void count(TimePoint now) {
        const std::lock_guard lock(mutex_);
        if (times_.size() >= max_invalid_requests) times_.pop_front();
        times_.push_back(now);
    }
    bool is_open(TimePoint now) {
        const std::lock_guard lock(mutex_);
        while (!times_.empty() &&
               (now - times_.front() >= invalid_request_window || times_.front() > now)) {
            times_.pop_front();
        }
        return times_.size() >= max_invalid_requests;
    }

private:
    std::mutex mutex_;
    std::deque<TimePoint> times_;
};

enum class Retry { never, once };

/// One request to Discord, whatever it is.
struct Call {
    std::string method = "GET";
    std::string route;          ///< behind api_url: "/users/@me"
    std::string identity;       ///< whose limits it counts for: a hash of the token, or our own
    std::string authorization;  ///< value of the header
    std::string form;           ///< application/x-www-form-urlencoded; POST only
    Retry retry = Retry::once;
};

struct Reply {
    int status = 0;
    httplib::Headers headers;
    std::string body;

    std::string header(const char* name) const {
        const auto it = headers.find(name);
        return it == headers.end() ? std::string() : it->second;
    }
    /// Only what says that it is JSON may meet a parser: error pages of proxies
    /// and edge servers come under any status.
    bool is_json() const {
        const std::string type = lowercase(header("Content-Type"));
        return trim(std::string_view(type).substr(0, type.find(';'))) == "application/json";
    }
};

std::optional<double> number(const std::string& text) {
    if (text.empty() || !std::all_of(text.begin(), text.end(),
                                     [](char c) { return is_digit(c) || c == '.' || c == '-'; })) {
        return std::nullopt;
    }
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (end != text.c_str() + text.size() || !std::isfinite(value)) return std::nullopt;
    return value;
}

Milliseconds clamped(double seconds) {
    const double bounded =
        std::clamp(seconds, std::chrono::duration<double>(shortest_block).count(),
                   std::chrono::duration<double>(longest_block).count());
    return Milliseconds(static_cast<long long>(std::ceil(bounded * 1000)));
}

/// A 429, or a 403 that is none of the API's: how long, and what it covers.
struct Blocked {
    Milliseconds duration = longest_block;
    bool everything = true;  ///< a global limit or a ban, not just this route
    bool shared = false;     ///< by others' calls: does not count against us
};

// Four forms: JSON with retry_after; JSON of a ban without it; plain text
// ("error code: 1015") and HTML of the edge. Who names neither a time nor a
// scope has banned our address.
Blocked read_block(const Reply& reply) {
    const auto error = reply.is_json() ? parse_api_error(reply.body) : std::nullopt;
    const std::string scope = lowercase(reply.header("X-RateLimit-Scope"));
    const auto header = number(reply.header("Retry-After"));
    Blocked blocked;
    if (error && error->retry_after) {
        blocked.duration = clamped(*error->retry_after);
    } else if (header) {
        blocked.duration = clamped(*header);
    }
    const bool is_limit = error && (error->retry_after || header);
    const bool is_global = (error && error->global) || scope == "global" ||
                           lowercase(reply.header("X-RateLimit-Global")) == "true";
    blocked.everything = !is_limit || is_global;
    blocked.shared = scope == "shared";
    return blocked;
}

class Client final : public Api {
public:
    explicit Client(ClientOptions options)
        : options_(std::move(options)), url_(checked_url(options_)), pool_(options_, url_.origin) {
        // OpenSSL writes without MSG_NOSIGNAL: a peer that went away must be
        // an error, not the end of the process.
        std::signal(SIGPIPE, SIG_IGN);
        pool_.give_back(pool_.fresh());  // fails now when ca_file cannot be read
        while (!url_.target.empty() && url_.target.back() == '/') url_.target.pop_back();
        // RFC 6749, 2.3.1: both halves are form-encoded before they are joined.
        basic_ = "Basic " + base64_encode(percent_encode(options_.client_id) + ":" +
                                          percent_encode(options_.client_secret.reveal()));
    }

    Result<TokenGrant> exchange_code(const Secret& code, const Secret& verifier,
                                     std::string_view redirect_uri) override {
        QueryBuilder form;
        form.add("grant_type", "authorization_code")
            .add("code", code.reveal())
            .add("redirect_uri", redirect_uri);
        if (!verifier.empty()) form.add("code_verifier", verifier.reveal());
        return grant(form.str());
    }

    Result<TokenGrant> refresh(const Secret& refresh_token) override {
        QueryBuilder form;
        form.add("grant_type", "refresh_token").add("refresh_token", refresh_token.reveal());
        return grant(form.str());
    }

    Result<void> revoke(const Secret& token) override {
        QueryBuilder form;
        form.add("token", token.reveal());
        const auto reply = token_request("/oauth2/token/revoke", form.str());
        if (!reply) return reply.error();
        return {};
    }

    Result<User> current_user(const Secret& access_token) override {
        const auto reply = get(access_token, "/users/@me");
        if (!reply) return reply.error();
        return parse_user(reply->body);
    }

    Result<std::vector<Guild>> current_user_guilds(const Secret& access_token) override {
        const auto reply = get(access_token, "/users/@me/guilds");
        if (!reply) return reply.error();
        return parse_guilds(reply->body);
    }

    Result<std::optional<Member>> current_user_member(const Secret& access_token,
                                                      Snowflake guild) override {
        const std::string route = "/users/@me/guilds/" + guild.to_string() + "/member";
        const auto reply = request(user_call(access_token, route));
        if (!reply) return reply.error();
        // "Unknown Guild" and "Unknown Member": the only proof of absence.
        if (reply->status == 404 && reply->is_json()) {
            const auto error = parse_api_error(reply->body);
            if (error && (error->code == 10004 || error->code == 10007)) {
                return std::optional<Member>();
            }
        }
        if (auto problem = refusal(*reply, route)) return *std::move(problem);
        auto member = parse_member(reply->body);
        if (!member) return member.error();
        return std::optional<Member>(*std::move(member));
    }

private:
    static HttpUrl checked_url(const ClientOptions& options) {
        auto url = HttpUrl::parse(options.api_url);
        if (!url || url->target.find('?') != std::string::npos) {
            throw std::invalid_argument("discord.api_url: not an http(s) URL without a query");
        }
        if (!url->origin.is_secure() && !url->origin.is_loopback()) {
            throw std::invalid_argument(
                "discord.api_url: http is allowed for loopback hosts only, use https");
        }
        return *url;
    }

    // --- the token endpoint: RFC 6749, 3.2 ------------------------------------

    Result<TokenGrant> grant(const std::string& form) {
        const auto reply = token_request("/oauth2/token", form);
        if (!reply) return reply.error();
        if (!reply->is_json()) {
            return failure(ErrorKind::malformed_reply, "POST /oauth2/token: answer is not JSON");
        }
        return parse_token_grant(reply->body, options_.now());
    }

    // A 2xx answer, or the Error that it means (RFC 6749, 5.2). Decided by
    // `error`: the descriptions are prose and change.
    Result<Reply> token_request(const std::string& route, const std::string& form) {
        auto reply = request({"POST", route, "client", basic_, form, Retry::never});
        if (!reply || (reply->status >= 200 && reply->status < 300)) return reply;
        const auto code = reply->is_json() ? parse_oauth_error(reply->body) : std::nullopt;
        const std::string where = "POST " + route + ": ";
        if (code == "invalid_grant" || code == "invalid_request") {
            return failure(ErrorKind::unauthorized, where + *code);
        }
        if (code == "invalid_client" || code == "unauthorized_client" || reply->status == 401) {
            return failure(ErrorKind::forbidden,
                           where + "Discord refuses our client_id or client_secret");
        }
        return *refusal(*reply, route);
    }

    // --- calls as a user ---------------------------------------------------------

    static Call user_call(const Secret& access_token, const std::string& route) {
        // Limits count per user, so each token has its own; kept as a hash.
        return {"GET", route,      sha256(access_token.reveal()), "Bearer " + access_token.reveal(),
                "",    Retry::once};
    }

    Result<Reply> get(const Secret& access_token, const std::string& route) {
        auto reply = request(user_call(access_token, route));
        if (!reply) return reply;
        if (auto problem = refusal(*reply, route)) return *std::move(problem);
        return reply;
    }

    // What an answer means that is not a JSON document under 200.
    static std::optional<Error> refusal(const Reply& reply, const std::string& route) {
        const std::string where = route + ": status " + std::to_string(reply.status) +
                                  (reply.is_json() ? "" : ", not JSON");
        if (reply.status == 200) {
            if (reply.is_json()) return std::nullopt;
            return failure(ErrorKind::malformed_reply, where);
        }
        const auto error = reply.is_json() ? parse_api_error(reply.body) : std::nullopt;
        const long long code = error ? error->code : 0;
        const std::string detail = where + (code ? ", code " + std::to_string(code) : "");
        if (reply.status == 401 || code == 50014) return failure(ErrorKind::unauthorized, detail);
        if (reply.status >= 500 || reply.status == 403 || reply.status == 408) {
            return failure(ErrorKind::unavailable, detail);
        }
        return failure(ErrorKind::malformed_reply, detail);
    }

    // --- any request -----------------------------------------------------------------

    /// The answer to `call`, or an Error when there was none that counts: no
    /// connection, too late, too large, a rate limit, 5xx after all attempts.
    Result<Reply> request(const Call& call) {
        const auto deadline = Steady::now() + options_.total_timeout;
        const std::string key = call.identity + call.route;
        Result<Reply> reply = failure(ErrorKind::timed_out, call.route + ": deadline passed");
        for (int attempt = 1;; ++attempt) {
            if (auto refused = wait_for_turn(call, key, deadline)) return *std::move(refused);
            reply = attempt_once(call, deadline);
            if (reply) note(key, *reply);

            const bool again = reply ? reply->status >= 500 || is_block(*reply)
                                     : reply.error().kind == ErrorKind::unavailable;
            if (!again) return reply;
            if (call.retry == Retry::never || attempt == max_attempts || !back_off(deadline)) break;
        }
        if (!reply) return reply;
        if (!is_block(*reply)) {
            return failure(ErrorKind::unavailable, describe(call, *reply));
        }
        return failure(ErrorKind::rate_limited, describe(call, *reply),
                       read_block(*reply).duration);
    }

    static std::string describe(const Call& call, const Reply& reply) {
        return call.method + " " + call.route + ": status " + std::to_string(reply.status);
    }

    static bool is_block(const Reply& reply) {
        return reply.status == 429 || (reply.status == 403 && !reply.is_json());
    }

    // Limits and the breaker, before anything is sent.
    std::optional<Error> wait_for_turn(const Call& call, const std::string& key,
                                       Steady::time_point deadline) {
        if (breaker_.is_open(options_.now())) {
            return failure(ErrorKind::unavailable,
                           "too many requests were refused lately; not asking Discord");
        }
        for (;;) {
            const auto wait = limits_.reserve(key, options_.now());
            if (wait == 0ms) return std::nullopt;
            if (wait > longest_wait || wait + shortest_attempt > until(deadline)) {
                return failure(ErrorKind::rate_limited, call.route + ": waiting for a rate limit",
                               std::clamp(wait, shortest_block, longest_block));
            }
            std::this_thread::sleep_for(wait);
        }
    }

    // Pauses before another attempt; false when there is no time for one.
    static bool back_off(Steady::time_point deadline) {
        thread_local std::minstd_rand generator{std::random_device{}()};
        const Milliseconds pause(std::uniform_int_distribution<int>(50, 250)(generator));
        if (pause + shortest_attempt > until(deadline)) return false;
        std::this_thread::sleep_for(pause);
        return true;
    }

    Result<Reply> attempt_once(const Call& call, Steady::time_point deadline) {
        Reply reply;
        bool too_large = false;
        httplib::Request request;
        request.method = call.method;
        request.path = url_.target + call.route;
        request.headers = {
            {"User-Agent",
             "DiscordBot (https://github.com/cordgate/cordgate, " + options_.version + ")"},
            {"Accept",          "application/json"                                        },
            {"Accept-Encoding", "identity"                                                },
            {"Authorization",   call.authorization                                        },
        };
        if (call.method == "POST") {
            request.headers.emplace("Content-Type", "application/x-www-form-urlencoded");
            request.body = call.form;
        }
        request.content_receiver = [&](const char* data, std::size_t size, std::uint64_t,
                                       std::uint64_t) {
            too_large = reply.body.size() + size > options_.max_response_bytes;
            if (too_large || Steady::now() >= deadline) return false;
            reply.body.append(data, size);
            return true;
        };

        // A request that must not be sent twice gets a connection that cannot
        // have been closed while it idled.
        auto connection = call.retry == Retry::never ? pool_.fresh() : pool_.take();
        const auto sent = connection->send(request, options_.connect_timeout, deadline);
        if (!sent || Steady::now() >= deadline) {
            const std::string where = call.method + " " + call.route + ": ";
            if (too_large) return failure(ErrorKind::malformed_reply, where + "answer too large");
            if (Steady::now() >= deadline) {
                return failure(ErrorKind::timed_out, where + "deadline passed");
            }
            return failure(ErrorKind::unavailable, where + httplib::to_string(sent.error()));
        }
        reply.status = sent->status;
        reply.headers = sent->headers;
        pool_.give_back(std::move(connection));
        const std::string encoding = lowercase(reply.header("Content-Encoding"));
        if (!encoding.empty() && encoding != "identity") {
            return failure(ErrorKind::malformed_reply, call.route + ": compressed unasked");
        }
        return reply;
    }

    // Learns from what came back.
    void note(const std::string& key, const Reply& reply) {
        const TimePoint now = options_.now();
        const auto units = number(reply.header("X-RateLimit-Remaining"));
        const auto reset_after = number(reply.header("X-RateLimit-Reset-After"));
        if (is_block(reply)) {
            const Blocked blocked = read_block(reply);
            if (blocked.everything) {
                limits_.block_everything(blocked.duration, now);
            } else {
                limits_.block(key, blocked.duration, now);
            }
            if (!blocked.shared) breaker_.count(now);
            return;
        }
        if (reply.status == 401 || reply.status == 403) breaker_.count(now);
        if (units && reset_after && *units >= 0 && *units < 1e6 && *reset_after > 0) {
            const double seconds = std::min(*reset_after, 600.0);
            limits_.learn(key, static_cast<long long>(*units),
                          Milliseconds(static_cast<long long>(std::ceil(seconds * 1000))), now);
        }
    }

    const ClientOptions options_;
    HttpUrl url_;
    std::string basic_;
    Pool pool_;
    RateLimits limits_;
    Breaker breaker_;
};

}  // namespace

std::unique_ptr<Api> make_client(ClientOptions options) {
    return std::make_unique<Client>(std::move(options));
}

}  // namespace cordgate::discord
