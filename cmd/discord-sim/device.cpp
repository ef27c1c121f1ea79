#include "cmd/discord-sim/device.hpp"

#include "cmd/discord-sim/objects.hpp"
#include "cmd/discord-sim/page.hpp"
#include "cmd/discord-sim/service.hpp"
#include "core/random.hpp"
#include "core/url.hpp"

// The device flow: its two endpoints and the page for the person.

namespace cordgate::sim {
namespace {

// Without letters and digits that look alike.
std::string make_user_code() {
    constexpr std::string_view letters = "BCDFGHJKLMNPQRSTVWXZ";
    std::string code;
    for (const char byte : random_bytes(8)) {
        code += letters[static_cast<unsigned char>(byte) % letters.size()];
    }
    return code.insert(4, "-");
}

}  // namespace

std::string Devices::begin(Scopes scopes, TimePoint now) {
    auto code = random_id() + random_id();
    waiting_[code] = {
        .user_code = make_user_code(), .scopes = std::move(scopes), .expires = now + lifetime};
    return code;
}

DeviceLogin* Devices::by_user_code(std::string_view code, TimePoint now) {
    for (auto& [name, login] : waiting_) {
        if (login.user_code == code && login.expires > now) return &login;
    }
    return nullptr;
}

DeviceLogin* Devices::by_device_code(std::string_view code) {
    const auto found = waiting_.find(code);
    return found == waiting_.end() ? nullptr : &found->second;
}

std::variant<DeviceLogin, OAuthError> Devices::poll(std::string_view code, TimePoint now) {
    const auto found = waiting_.find(code);
    if (found == waiting_.end()) return OAuthError{"invalid_grant", "Invalid \"device_code\""};
    auto& login = found->second;
    if (login.expires <= now) return OAuthError{"expired_token", ""};
    if (now < login.may_poll) return OAuthError{"slow_down", ""};
    login.may_poll = now + interval;
    if (login.denied) return OAuthError{"access_denied", ""};
    if (!login.user) return OAuthError{"authorization_pending", ""};
    const auto agreed = login;
    waiting_.erase(found);
    return agreed;
}

Reply Service::begin_device(const Call& call, const Parameters&, const Caller&) {
    const auto form = Query::parse(call.body).value_or(Query{});
    if (auto refused = refuse_client(call, form)) return std::move(*refused);
    auto scopes = split_scopes(form.get("scope").value_or(""));
    if (!are_open(scopes)) {
        return oauth_error(
            400, {"invalid_scope", "The requested scope is invalid, unknown, or malformed."});
    }
    const auto code = devices.begin(std::move(scopes), now());
    auto* const login = devices.by_device_code(code);
    if (consent.mode == AutoConsent::Mode::approve) login->user = consent.user;
    login->denied = consent.mode == AutoConsent::Mode::deny;
    const auto page = base_url + "/activate";
    return json_reply({
        {"device_code",               code                                   },
        {"user_code",                 login->user_code                       },
        {"verification_uri",          page                                   },
        {"verification_uri_complete", page + "?user_code=" + login->user_code},
        {"expires_in",                Devices::lifetime.count()              },
        {"interval",                  Devices::interval.count()              }
    });
}

Reply Service::show_activation(const Call& call, const Parameters&, const Caller&) {
    const auto code = query_of(call).get("user_code").value_or("");
    const auto* const login = devices.by_user_code(code, now());
    if (!login) return activation_page(code);
    return consent_page({.application = application.name,
                         .scopes = login->scopes,
                         .back_to = "your device",
                         .action = "/activate?user_code=" + code,
                         .users = world_.users()});
}

Reply Service::take_activation(const Call& call, const Parameters&, const Caller&) {
    const auto form = Query::parse(call.body).value_or(Query{});
    auto* const login = devices.by_user_code(query_of(call).get("user_code").value_or(""), now());
    if (!login) return error_page(400, "Unknown code", "No device waits for this code.");
    const auto user = Snowflake::parse(form.get("user").value_or(""));
    if (form.get("decision") == "authorize") {
        if (!user || !world_.user(*user)) {
            return error_page(400, "Nobody was chosen", "Go back and choose who you are.");
        }
        login->user = user;
    } else {
        login->denied = true;
    }
    return error_page(200, "Done", "Go back to your device.");
}

}  // namespace cordgate::sim
