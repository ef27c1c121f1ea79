#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "core/discord/api.hpp"

namespace cordgate::proxy {

/// Every call to Discord goes through here, and the log hears of what changes: Discord
/// stops answering, or answers again; it holds all of our calls back; it refuses our
/// client id or secret. A line for each change, not for each call. Thread-safe.
class DiscordWatch final : public discord::Api {
public:
    enum class Level { info, warning, error };
    using Say = std::function<void(Level, std::string_view event, const std::string& text)>;
    using Ticks = std::function<std::chrono::steady_clock::time_point()>;

    /// `say` empty: the process's log.
    DiscordWatch(std::unique_ptr<discord::Api> api, Ticks ticks, Say say = {});

    Result<TokenGrant> exchange_code(const Secret& code, const Secret& verifier,
                                     std::string_view redirect_uri) override;
    Result<TokenGrant> refresh(const Secret& refresh_token) override;
    Result<void> revoke(const Secret& token) override;
    Result<discord::Reply> request(const discord::Request& request) override;
    discord::ApiStatistics statistics() const override { return api_->statistics(); }

    /// So many calls in a row without an answer: Discord is away.
    static constexpr int silent_calls = 3;
    /// What short limits and refused credentials say again is said again after so long.
    static constexpr std::chrono::seconds pause{60};

private:
    void note(const Error* error, bool with_credentials);
    void note_answer();
    void note_silence(const Error& error);
    void note_hold(const Error& error, std::string_view scope);

    const std::unique_ptr<discord::Api> api_;
    const Ticks ticks_;
    const Say say_;

    std::mutex mutex_;  // guards all below
    int silent_ = 0;
    std::chrono::steady_clock::time_point silent_since_;
    std::chrono::steady_clock::time_point last_silence_;
    std::chrono::steady_clock::time_point held_until_;
    std::optional<std::chrono::steady_clock::time_point> held_told_;
    std::optional<std::chrono::steady_clock::time_point> refused_told_;
};

}  // namespace cordgate::proxy
