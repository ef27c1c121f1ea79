#include "proxy/discord_watch.hpp"

#include <utility>

#include "core/discord/failure.hpp"
#include "proxy/access_log.hpp"

namespace cordgate::proxy {
namespace {

using namespace std::chrono_literals;
using discord::LimitScope;
using std::chrono::seconds;

// Calls that were under way together are told ends that differ a little.
constexpr seconds same_hold{2};
// What was not answered longer ago than that is another matter.
constexpr std::chrono::minutes memory{10};

void write_log(DiscordWatch::Level level, std::string_view event, const std::string& text) {
    switch (level) {
        case DiscordWatch::Level::info: return log_info(event, text);
        case DiscordWatch::Level::warning: return log_warn(event, text);
        case DiscordWatch::Level::error: return log_error(event, text);
    }
}

// Too many of our requests were refused: the client itself stops for a while.
bool is_breaker(const Error& error) {
    return error.kind == ErrorKind::unavailable && !error.refusal && error.retry_after;
}

std::string in_seconds(std::chrono::steady_clock::duration time) {
    return std::to_string(std::chrono::ceil<seconds>(time).count());
}

}  // namespace

DiscordWatch::DiscordWatch(std::unique_ptr<discord::Api> api, Ticks ticks, Say say)
    : api_(std::move(api)), ticks_(std::move(ticks)), say_(say ? std::move(say) : Say(write_log)) {}

Result<TokenGrant> DiscordWatch::exchange_code(const Secret& code, const Secret& verifier,
                                               std::string_view redirect_uri) {
    auto grant = api_->exchange_code(code, verifier, redirect_uri);
    note(grant ? nullptr : &grant.error(), true);
    return grant;
}

Result<TokenGrant> DiscordWatch::refresh(const Secret& refresh_token) {
    auto grant = api_->refresh(refresh_token);
    note(grant ? nullptr : &grant.error(), true);
    return grant;
}

Result<void> DiscordWatch::revoke(const Secret& token) {
    auto revoked = api_->revoke(token);
    note(revoked ? nullptr : &revoked.error(), true);
    return revoked;
}

Result<discord::Reply> DiscordWatch::request(const discord::Request& request) {
    auto reply = api_->request(request);
    note(reply ? nullptr : &reply.error(), false);
    return reply;
}

void DiscordWatch::note(const Error* error, bool with_credentials) {
    if (error && error->source != ErrorSource::discord) return;  // nothing was asked
    const std::lock_guard lock(mutex_);
    if (!error) return note_answer();
    if (is_breaker(*error)) return note_hold(*error, "breaker");
    if (discord::is_silence(*error)) return note_silence(*error);
    // Without a status nobody was asked: an earlier answer said to wait.
    const bool was_told = error->refusal && error->refusal->status != 0;
    if (error->kind == ErrorKind::rate_limited) {
        const auto scope = error->refusal ? error->refusal->scope : LimitScope::user;
        if (!was_told) return;
        if (scope == LimitScope::global || scope == LimitScope::ban) {
            return note_hold(*error, to_string(scope));
        }
    }
    note_answer();
    // At the token endpoint a 403 of another kind says nothing of our secret.
    if (!with_credentials || error->kind != ErrorKind::forbidden || !was_told ||
        error->refusal->status == 403) {
        return;
    }
    const auto now = ticks_();
    if (refused_told_ && now < *refused_told_ + pause) return;
    refused_told_ = now;
    say_(Level::error, "discord refuses our credentials", describe_error(*error));
}

void DiscordWatch::note_answer() {
    if (std::exchange(silent_, 0) < silent_calls) return;
    say_(Level::info, "discord answers again",
         "after " + in_seconds(ticks_() - silent_since_) + " s");
}

void DiscordWatch::note_silence(const Error& error) {
    const auto now = ticks_();
    if (silent_ < silent_calls && now - last_silence_ > memory) silent_ = 0;
    last_silence_ = now;
    if (silent_ == 0) silent_since_ = now;
    if (silent_ >= silent_calls || ++silent_ < silent_calls) return;
    say_(Level::warning, "discord does not answer", describe_error(error));
}

void DiscordWatch::note_hold(const Error& error, std::string_view scope) {
    const auto now = ticks_();
    const auto time = error.retry_after.value_or(0ms);
    if (now + time <= held_until_ + same_hold) return;
    held_until_ = now + time;
    if (time < pause && held_told_ && now < *held_told_ + pause) return;
    held_told_ = now;
    say_(Level::warning, "discord holds us back",
         "seconds=" + in_seconds(time) + " scope=" + std::string(scope) + " because " +
             describe_error(error));
}

}  // namespace cordgate::proxy
