#include "cmd/discord-sim/webhook_sender.hpp"

#include <httplib.h>

#include "core/url.hpp"

namespace cordgate::sim {

void WebhookSender::start() {
    stopping_ = false;
    thread_ = std::thread([this] { run(); });
}

void WebhookSender::stop() {
    if (!thread_.joinable()) return;
    {
        const auto lock = service_.lock();
        stopping_ = true;
    }
    {
        const std::scoped_lock lock(client_mutex_);
        if (client_) client_->stop();
    }
    service_.events_changed.notify_all();
    thread_.join();
}

void WebhookSender::settle() {
    auto lock = service_.lock();
    service_.events_changed.wait(
        lock, [&] { return stopping_ || service_.events.settled(service_.now()); });
}

// The service's clock may stand still or jump: whoever turns it wakes us, and
// otherwise we look again from time to time.
void WebhookSender::run() {
    using namespace std::chrono_literals;
    auto lock = service_.lock();
    while (!stopping_) {
        const auto event = service_.events.take(service_.now());
        if (!event) {
            if (service_.events.waits()) {
                service_.events_changed.wait_for(lock, 100ms);
            } else {
                service_.events_changed.wait(lock);
            }
            continue;
        }
        lock.unlock();
        const int status = post(*event);
        lock.lock();
        service_.events.finished(event->id, status, service_.now());
        service_.events_changed.notify_all();
    }
}

int WebhookSender::post(const EventPost& event) {
    using namespace std::chrono_literals;
    const auto url = HttpUrl::parse(event.url);
    if (!url) return 0;
    const auto client = std::make_shared<httplib::Client>(url->origin.to_string());
    client->set_connection_timeout(3s);
    client->set_read_timeout(3s);
    // A stand-in for tests talks to certificates that nobody signed.
    client->enable_server_certificate_verification(false);
    {
        const std::scoped_lock lock(client_mutex_);
        client_ = client;
    }
    httplib::Headers headers = {
        {"User-Agent", "Discord-Webhook/1.0 (+https://discord.com)"}
    };
    if (!event.timestamp.empty()) headers.emplace("X-Signature-Timestamp", event.timestamp);
    if (!event.signature.empty()) headers.emplace("X-Signature-Ed25519", event.signature);
    const auto answer = client->Post(url->target, headers, event.body, "application/json");
    return answer ? answer->status : 0;
}

}  // namespace cordgate::sim
