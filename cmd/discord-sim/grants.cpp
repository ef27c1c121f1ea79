#include "cmd/discord-sim/grants.hpp"

#include <algorithm>

#include "core/ascii.hpp"
#include "core/base64.hpp"
#include "core/crypto.hpp"
#include "core/random.hpp"

namespace cordgate::sim {
namespace {

std::string random_letters(std::size_t count) {
    constexpr std::string_view letters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    auto bytes = random_bytes(count);
    for (auto& byte : bytes) byte = letters[static_cast<unsigned char>(byte) % letters.size()];
    return bytes;
}

// RFC 7636, 4.1; Discord enforces it to the letter.
bool is_verifier(std::string_view text) {
    const auto allowed = [](char c) {
        return is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
    };
    return text.size() >= 43 && text.size() <= 128 &&
           std::all_of(text.begin(), text.end(), allowed);
}

std::optional<OAuthError> check_pkce(const Code& code, const std::optional<std::string>& verifier,
                                     bool has_secret) {
    if (verifier && !is_verifier(*verifier)) {
        return OAuthError{"invalid_request", "Invalid \"code_verifier\""};
    }
    if (code.challenge.empty()) return std::nullopt;
    if (!verifier) {
        const auto* const error = has_secret ? "invalid_grant" : "invalid_request";
        return OAuthError{error, "Missing \"code_verifier\""};
    }
    if (base64url_encode(sha256(*verifier)) == code.challenge) return std::nullopt;
    return OAuthError{"invalid_grant", "Invalid \"code_verifier\""};
}

Grant with_extras(Grant grant, const Extras& extras) {
    grant.extras = extras;
    return grant;
}

}  // namespace

std::string Grants::issue_code(Code code) {
    remember(code.user, code.scopes);
    auto name = random_letters(30);
    codes_[name] = std::move(code);
    return name;
}

void Grants::remember(Snowflake user, const Scopes& scopes) {
    ever_granted_[user].insert(scopes.begin(), scopes.end());
}

const Code* Grants::find_code(std::string_view code) const {
    const auto found = codes_.find(code);
    return found == codes_.end() ? nullptr : &found->second;
}

std::variant<Grant, OAuthError> Grants::exchange(std::string_view name,
                                                 const std::optional<std::string>& redirect_uri,
                                                 const std::optional<std::string>& verifier,
                                                 bool has_secret, TimePoint now,
                                                 const TokenSettings& settings) {
    const auto found = codes_.find(name);
    if (found == codes_.end() || found->second.expires <= now) {
        return OAuthError{"invalid_grant", "Invalid \"code\" in request."};
    }
    const auto code = found->second;
    codes_.erase(found);
    if (redirect_uri != code.redirect_uri) {
        return OAuthError{"invalid_grant", "Invalid \"redirect_uri\" in request."};
    }
    if (auto error = check_pkce(code, verifier, has_secret)) return *error;

    if (settings.same_token_on_login) {
        for (const auto& [token, grant] : by_access_) {
            const bool lives = grant.access_expires > now && !grant.refresh_token.empty();
            if (grant.user == code.user && lives) return with_extras(grant, code.extras);
        }
    }
    return with_extras(issue(code.user, code.scopes, now, settings), code.extras);
}

std::variant<Grant, OAuthError> Grants::refresh(std::string_view refresh_token, TimePoint now,
                                                const TokenSettings& settings) {
    const auto found = access_by_refresh_.find(refresh_token);
    if (found == access_by_refresh_.end()) {
        if (const auto spent = successors_.find(refresh_token); spent != successors_.end()) {
            ++(used_.contains(spent->second) ? reuses_.heard : reuses_.unheard);
        }
        return OAuthError{"invalid_grant", "Invalid \"refresh_token\" in request"};
    }
    const auto old = by_access_.at(found->second);
    used_.insert(old.access_token);
    access_by_refresh_.erase(found);
    if (settings.keep_token_on_refresh) {
        by_access_.at(old.access_token).refresh_token.clear();
    } else {
        by_access_.erase(old.access_token);
    }

    auto scopes = old.scopes;
    if (settings.scope_growth) {
        const auto& ever = ever_granted_[old.user];
        scopes.assign(ever.begin(), ever.end());
    }
    auto grant = issue(old.user, std::move(scopes), now, settings);
    grant.dead = settings.dead_token_after_refresh;
    by_access_[grant.access_token].dead = grant.dead;
    successors_.emplace(refresh_token, grant.access_token);
    return grant;
}

Grant Grants::issue(Snowflake user, Scopes scopes, TimePoint now, const TokenSettings& settings,
                    bool refreshable) {
    for (const auto& scope : settings.add_scopes) {
        if (!has_scope(scopes, scope)) scopes.push_back(scope);
    }
    std::erase_if(scopes, [&](const auto& s) { return has_scope(settings.drop_scopes, s); });
    Grant grant{.user = user,
                .scopes = std::move(scopes),
                .access_token = base64url_encode(user.to_string()) + "." + random_letters(30),
                .refresh_token = refreshable ? random_letters(30) : "",
                .access_expires = now + settings.access_token_lifetime};
    by_access_[grant.access_token] = grant;
    if (refreshable) access_by_refresh_[grant.refresh_token] = grant.access_token;
    return grant;
}

std::optional<Snowflake> Grants::user_of(std::string_view token) const {
    const auto refresh = access_by_refresh_.find(token);
    const auto grant = by_access_.find(
        refresh == access_by_refresh_.end() ? token : std::string_view(refresh->second));
    if (grant == by_access_.end()) return std::nullopt;
    return grant->second.user;
}

void Grants::deauthorize(Snowflake user) {
    for (const auto& [token, grant] : by_access_) {
        if (grant.user == user) access_by_refresh_.erase(grant.refresh_token);
    }
    std::erase_if(by_access_, [&](const auto& entry) { return entry.second.user == user; });
    std::erase_if(codes_, [&](const auto& entry) { return entry.second.user == user; });
    ever_granted_.erase(user);
}

void Grants::expire(Snowflake user, TimePoint now) {
    for (auto& [token, grant] : by_access_) {
        if (grant.user == user) grant.access_expires = now;
    }
}

void Grants::clear() {
    *this = Grants{};
}

const Grant* Grants::find(std::string_view access_token, TimePoint now) const {
    const auto found = by_access_.find(access_token);
    if (found == by_access_.end()) return nullptr;
    const auto& grant = found->second;
    return grant.dead || grant.access_expires <= now ? nullptr : &grant;
}

bool Grants::granted(Snowflake user, const Scopes& scopes) const {
    const auto found = ever_granted_.find(user);
    if (found == ever_granted_.end()) return false;
    return std::all_of(scopes.begin(), scopes.end(),
                       [&](const auto& scope) { return found->second.contains(scope); });
}

}  // namespace cordgate::sim
