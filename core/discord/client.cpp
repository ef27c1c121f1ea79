#include "core/discord/client.hpp"

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <stdexcept>
#include <thread>
#include <utility>

#include "core/ascii.hpp"
#include "core/base64.hpp"
#include "core/crypto.hpp"
#include "core/discord/answer.hpp"
#include "core/discord/failure.hpp"
#include "core/discord/json.hpp"
#include "core/discord/rate_queue.hpp"
#include "core/url.hpp"

namespace cordgate::discord {
namespace {

using Steady = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr Milliseconds shortest_attempt = 50ms;
constexpr int max_attempts = 2;
constexpr std::size_t max_owners = 10000;
constexpr std::size_t max_header_bytes = 1024;

Error failure(ErrorKind kind, std::string detail) {
    return {kind, ErrorSource::discord, std::move(detail)};
}

Milliseconds until(Steady::time_point deadline) {
    return std::chrono::duration_cast<Milliseconds>(deadline - Steady::now());
}

/// Whose each token is, as far as we learned: limits count per user, and the
/// sessions of one user may have different tokens. Keeps hashes. Thread-safe.
class TokenOwners {
public:
    void learn(const Secret& token, Snowflake user) {
        const std::lock_guard lock(mutex_);
        auto [it, is_new] = owners_.emplace(sha256(token.reveal()), user);
        if (!is_new) return;
        order_.push_back(it);
        if (order_.size() <= max_owners) return;
        owners_.erase(order_.front());
        order_.pop_front();
    }
    std::string identity(const Secret& token) {
        auto digest = sha256(token.reveal());
        const std::lock_guard lock(mutex_);
        const auto it = owners_.find(digest);
        return it == owners_.end() ? std::move(digest) : identity_of(it->second);
    }
    static std::string identity_of(Snowflake user) { return "user " + user.to_string(); }

private:
    using Owners = std::map<std::string, Snowflake>;

    std::mutex mutex_;
    Owners owners_;
    std::deque<Owners::iterator> order_;
};

enum class Retry { never, once };

/// One request to Discord, whatever it is.
struct Call {
    LimitKey limit;
    HttpCall http;
    Retry retry = Retry::once;
    const Secret* names_owner_of = nullptr;  // the answer says whose token this is

    const std::string& name() const { return limit.shape; }
};

bool is_idempotent(std::string_view method) {
    return method == "GET" || method == "PUT" || method == "DELETE";
}

bool is_header_text(std::string_view text) {
    return text.size() <= max_header_bytes &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

// Pauses before another attempt; false when there is no time for one.
bool back_off(Steady::time_point deadline) {
    thread_local std::minstd_rand generator{std::random_device{}()};
    const Milliseconds pause(std::uniform_int_distribution<int>(50, 250)(generator));
    if (pause + shortest_attempt > until(deadline)) return false;
    std::this_thread::sleep_for(pause);
    return true;
}

HttpOptions http_options(const ClientOptions& options, const Origin& origin) {
    return {origin, options.ca_file, options.connect_timeout, options.max_response_bytes,
            options.resolve};
}

class Client final : public Api {
public:
    explicit Client(ClientOptions options)
        : options_(std::move(options)),
          url_(checked_url(options_)),
          http_(http_options(options_, url_.origin)),
          queue_(options_.ticks) {
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
        const auto answer = token_request("/oauth2/token/revoke", form.str());
        if (!answer) return answer.error();
        // What the body says is of no interest (RFC 7009, 2.2), but a page is not Discord's.
        if (answer->is_page()) {
            return failure(ErrorKind::malformed_reply, "POST /oauth2/token/revoke: a page");
        }
        return {};
    }

    Result<Reply> request(const Request& request) override {
        if (auto problem = check(request)) return *std::move(problem);
        auto answer = perform(call_for(request));
        if (!answer) return answer.error();
        const auto& [status, headers, body] = *answer;
        // Only what was done may have nothing to say.
        const bool may_be_empty = request.method != "GET" || status == 204;
        const bool is_sound = body.empty() ? may_be_empty : answer->is_json() && is_json(body);
        if (!is_sound) {
            return failure(ErrorKind::malformed_reply,
                           request.method + " " + request.route.shape() + ": answer is not JSON");
        }
        Reply reply{status, body, {}};
        for (const auto& [name, value] : headers) {
            auto lower = lowercase(name);
            if (lower == "content-type" || lower.starts_with("x-ratelimit-")) {
                reply.headers.emplace_back(std::move(lower), value);
            }
        }
        return reply;
    }

    ApiStatistics statistics() const override {
        ApiStatistics out;
        for (std::size_t i = 0; i < out.by_status.size(); ++i) out.by_status[i] = by_status_[i];
        out.rate_limited = rate_limited_;
        out.held_back = held_back_;
        return out;
    }

private:
    void count(int status) {
        const auto hundreds = static_cast<std::size_t>(status) / 100;
        ++by_status_[hundreds < by_status_.size() ? hundreds : 0];
    }

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
        const auto answer = token_request("/oauth2/token", form);
        if (!answer) return answer.error();
        if (!answer->is_json()) {
            return failure(ErrorKind::malformed_reply, "POST /oauth2/token: answer is not JSON");
        }
        return parse_token_grant(answer->body, options_.now());
    }

    // A 2xx answer, or the Error that it means (RFC 6749, 5.2). Decided by
    // `error`: the descriptions are prose and change.
    Result<HttpAnswer> token_request(const std::string& route, const std::string& form) {
        Call call = call_to("POST", Route::known(route), "client", basic_);
        call.limit.has_pace = true;
        call.http.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
        call.http.body = form;
        auto answer = perform(call);
        if (answer || !answer.error().refusal) return answer;
        Error error = answer.error();
        const Refusal& refusal = *error.refusal;
        if (refusal.status >= 500 || error.kind == ErrorKind::rate_limited) return error;
        const std::string& code = refusal.message;
        if (code == "invalid_grant" || code == "invalid_request") {
            error.kind = ErrorKind::unauthorized;
        } else if (code == "invalid_client" || code == "unauthorized_client" ||
                   refusal.status == 401) {
            error.kind = ErrorKind::forbidden;
            error.detail += ", Discord refuses our client_id or client_secret";
        } else if (refusal.status < 500 && error.kind != ErrorKind::unavailable) {
            error.kind = ErrorKind::malformed_reply;
        }
        return error;
    }

    // --- any request -----------------------------------------------------------------

    std::optional<Error> check(const Request& request) const {
        const auto refuse = [](const char* why) {
            return Error{ErrorKind::bad_request, ErrorSource::client, why};
        };
        constexpr std::string_view methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
        if (std::find(std::begin(methods), std::end(methods), request.method) ==
            std::end(methods)) {
            return refuse("method: not one of GET, POST, PUT, PATCH and DELETE");
        }
        if (!is_query_text(request.query)) return refuse("query: not percent-encoded");
        if (!is_header_text(request.content_type)) return refuse("content type: not ASCII");
        if (!is_header_text(request.audit_log_reason)) return refuse("audit log reason: not ASCII");
        if (request.as == Request::As::bot && options_.bot_token.empty()) {
            return Error{ErrorKind::forbidden, ErrorSource::gate, "discord.bot_token is not set"};
        }
        if (request.as == Request::As::user && !is_token(request.access_token)) {
            return refuse("access token: not a token");
        }
        return std::nullopt;
    }

    static bool is_token(const Secret& token) {
        const auto& text = token.reveal();
        return !text.empty() &&
               std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
    }

    // Valid as long as `request`.
    Call call_for(const Request& request) {
        std::string identity = "nobody";
        std::string authorization;
        if (request.as == Request::As::user) {
            identity = owners_.identity(request.access_token);
            authorization = "Bearer " + request.access_token.reveal();
        } else if (request.as == Request::As::bot) {
            identity = "bot";
            authorization = "Bot " + options_.bot_token.reveal();
        }
        Call call = call_to(request.method, request.route, identity, authorization);
        call.limit.has_pace = request.as != Request::As::user;
        const bool asks_for_owner = call.limit.shape == "GET /users/@me";
        if (asks_for_owner && request.as == Request::As::user) {
            call.names_owner_of = &request.access_token;
        }
        if (!request.query.empty()) call.http.target += "?" + request.query;
        if (!request.audit_log_reason.empty()) {
            call.http.headers.emplace_back("X-Audit-Log-Reason", request.audit_log_reason);
        }
        if (!request.body.empty()) {
            call.http.headers.emplace_back("Content-Type", request.content_type);
            call.http.body = request.body;
        }
        return call;
    }

    Call call_to(const std::string& method, const Route& route, const std::string& identity,
                 const std::string& authorization) const {
        Call call;
        call.limit = {identity, method + " " + route.shape(), route.top_level()};
        call.retry = is_idempotent(method) ? Retry::once : Retry::never;
        call.http.method = method;
        call.http.target = url_.target + route.path();
        call.http.on_fresh_connection = call.retry == Retry::never;
        call.http.headers = {
            {"User-Agent",
             "DiscordBot (https://github.com/cordgate/cordgate, " + options_.version + ")"},
            {"Accept",          "application/json"                                        },
            {"Accept-Encoding", "identity"                                                },
        };
        if (!authorization.empty()) call.http.headers.emplace_back("Authorization", authorization);
        return call;
    }

    /// The 2xx answer to `call`, or the Error that came instead: no connection, too
    /// late, too large, a rate limit, a refusal; after the second attempt where one
    /// makes sense.
    Result<HttpAnswer> perform(const Call& call) {
        const auto deadline = Steady::now() + options_.total_timeout;
        RateQueue::Place place(queue_, call.limit);
        std::optional<Error> failed;
        for (int attempt = 1; attempt <= max_attempts; ++attempt) {
            if (auto refused = place.wait(options_.longest_wait, deadline)) {
                ++held_back_;
                // What Discord itself said tells more than that we did not ask again.
                return failed ? *std::move(failed) : *std::move(refused);
            }
            auto answer = http_.send(call.http, deadline);
            count(answer ? answer->status : 0);
            auto error = answer ? read_refusal(*answer, call.name()) : answer.error();
            if (error && error->kind == ErrorKind::rate_limited) ++rate_limited_;
            const bool again =
                error && call.retry == Retry::once && attempt < max_attempts && may_pass(*error);
            place.answered(answer ? news_of(call, *answer) : LimitNews(),
                           answer && counts_as_invalid(*answer), again);
            if (!error) return answer;
            failed = std::move(error);
            // A limit has its own wait; what broke gets a moment.
            const bool is_limit = failed->kind == ErrorKind::rate_limited;
            if (!again || (!is_limit && !back_off(deadline))) break;
        }
        return *std::move(failed);
    }

    LimitNews news_of(const Call& call, const HttpAnswer& answer) {
        auto news = read_limits(answer);
        if (!call.names_owner_of || answer.status != 200) return news;
        const auto user = parse_user(answer.body);
        if (!user) return news;
        owners_.learn(*call.names_owner_of, user->id);
        news.identity = TokenOwners::identity_of(user->id);
        return news;
    }

    static bool may_pass(const Error& error) {
        if (error.kind == ErrorKind::rate_limited) return true;
        const bool was_refused = error.refusal && error.refusal->status < 500;
        return error.kind == ErrorKind::unavailable && !was_refused;
    }

    const ClientOptions options_;
    HttpUrl url_;
    std::string basic_;
    HttpClient http_;
    RateQueue queue_;
    TokenOwners owners_;
    std::array<std::atomic<std::uint64_t>, 6> by_status_{};
    std::atomic<std::uint64_t> rate_limited_{0};
    std::atomic<std::uint64_t> held_back_{0};
};

}  // namespace

std::unique_ptr<Api> make_client(ClientOptions options) {
    return std::make_unique<Client>(std::move(options));
}

}  // namespace cordgate::discord
