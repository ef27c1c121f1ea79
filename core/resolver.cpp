#include "core/resolver.hpp"

#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

namespace cordgate {
namespace {

using Steady = std::chrono::steady_clock;

constexpr auto lifetime = std::chrono::minutes(1);
constexpr auto brief = std::chrono::milliseconds(500);  // for who has old addresses to go on with

std::string to_text(const sockaddr* address, socklen_t size) {
    char text[NI_MAXHOST] = "";
    if (::getnameinfo(address, size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) return "";
    return text;
}

}  // namespace

Result<std::vector<std::string>> resolve_host(const std::string& host) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    if (const int problem = ::getaddrinfo(host.c_str(), nullptr, &hints, &list); problem != 0) {
        return Error{ErrorKind::unavailable, ErrorSource::gate,
                     host + ": " + ::gai_strerror(problem)};
    }
    std::vector<std::string> addresses;
    for (const addrinfo* item = list; item; item = item->ai_next) {
        auto text = to_text(item->ai_addr, item->ai_addrlen);
        if (!text.empty()) addresses.push_back(std::move(text));
    }
    ::freeaddrinfo(list);
    if (addresses.empty()) {
        return Error{ErrorKind::unavailable, ErrorSource::gate, host + ": no address"};
    }
    return addresses;
}

struct Resolver::State {
    struct Entry {
        std::vector<std::string> addresses;
        Steady::time_point asked_at;
        bool is_stale = true;
        bool is_asking = false;
        Error problem;
    };

    State(Resolve function, ErrorSource whose) : resolve(std::move(function)), source(whose) {}

    // Runs on a thread of its own, which keeps the state alive.
    void look_up(const std::string& host) {
        auto found = resolve(host);
        const std::lock_guard lock(mutex);
        Entry& entry = entries[host];
        entry.is_asking = false;
        entry.asked_at = Steady::now();
        if (found) {
            entry.addresses = *std::move(found);
            entry.is_stale = false;
        } else {
            entry.problem = found.error();
            entry.problem.source = source;
        }
        answered.notify_all();
    }

    const Resolve resolve;
    const ErrorSource source;
    std::mutex mutex;
    std::condition_variable answered;
    std::map<std::string, Entry> entries;
};

Resolver::Resolver(Resolve resolve, ErrorSource source)
    : state_(std::make_shared<State>(std::move(resolve), source)) {}
Resolver::~Resolver() = default;

Result<std::vector<std::string>> Resolver::find(const std::string& host,
                                                Steady::time_point deadline) {
    std::unique_lock lock(state_->mutex);
    auto& entry = state_->entries[host];
    if (!entry.is_stale && Steady::now() - entry.asked_at < lifetime) return entry.addresses;
    if (!entry.is_asking) {
        entry.is_asking = true;
        std::thread([state = state_, host] { state->look_up(host); }).detach();
    }
    const auto patience = entry.addresses.empty() ? deadline : Steady::now() + brief;
    const bool in_time = state_->answered.wait_until(lock, std::min(deadline, patience),
                                                     [&] { return !entry.is_asking; });
    if (!entry.addresses.empty()) return entry.addresses;
    if (!in_time) {
        return Error{ErrorKind::timed_out, state_->source, host + ": no answer about its address"};
    }
    return entry.problem;
}

void Resolver::prefer(const std::string& host, const std::string& address) {
    const std::lock_guard lock(state_->mutex);
    auto& addresses = state_->entries[host].addresses;
    const auto it = std::find(addresses.begin(), addresses.end(), address);
    if (it != addresses.end()) std::rotate(addresses.begin(), it, it + 1);
}

void Resolver::forget(const std::string& host) {
    const std::lock_guard lock(state_->mutex);
    state_->entries[host].is_stale = true;
}

bool Resolver::is_address(std::string_view host) {
    const std::string text(host);
    in6_addr address{};
    return ::inet_pton(AF_INET, text.c_str(), &address) == 1 ||
           ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

}  // namespace cordgate
