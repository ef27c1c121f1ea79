#include "proxy/metrics.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <fstream>
#include <utility>
#include <vector>

#include "proxy/gate.hpp"

namespace cordgate::proxy {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr const char* status_classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

/// A label and its value; without a name: none.
struct Label {
    std::string name;
    std::string value;
};

/// Gathers families of samples one after another. A sample belongs to the family that
/// was begun last.
class Exposition {
public:
    Exposition& counter(const char* name, const char* help) {
        return family(name, help, MetricType::Counter);
    }
    Exposition& gauge(const char* name, const char* help) {
        return family(name, help, MetricType::Gauge);
    }
    Exposition& sample(std::uint64_t value, Label label = {}) {
        auto& added = add(std::move(label));
        // One of them is read, by the type of the family.
        added.counter.value = added.gauge.value = static_cast<double>(value);
        return *this;
    }
    Exposition& by_class(const std::array<std::uint64_t, 6>& totals) {
        for (std::size_t i = 0; i < totals.size(); ++i) {
            sample(totals[i], {"status", status_classes[i]});
        }
        return *this;
    }
    void durations(const char* name, const char* help, const ResponseCounts::Totals& totals) {
        auto& histogram = family(name, help, MetricType::Histogram).add({}).histogram;
        const auto& bounds = ResponseCounts::bounds;
        for (std::size_t i = 0; i < bounds.size(); ++i) {
            histogram.sample_count += totals.by_duration[i];
            histogram.bucket.push_back({histogram.sample_count, bounds[i]});
        }
        histogram.sample_count += totals.by_duration.back();
        histogram.sample_sum = std::chrono::duration<double>(totals.time).count();
    }
    std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

private:
    Exposition& family(const char* name, const char* help, MetricType type) {
        families_.push_back({std::string("cordgate_") + name, help, type, {}});
        return *this;
    }
    ClientMetric& add(Label label) {
        auto& added = families_.back().metric.emplace_back();
        if (!label.name.empty()) {
            added.label.push_back({std::move(label.name), std::move(label.value)});
        }
        return added;
    }

    std::vector<MetricFamily> families_;
};

std::uint64_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    std::uint64_t pages = 0;
    statm >> pages >> pages;
    return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void write_process(Exposition& out, const Gate& gate) {
    const auto loaded =
        std::chrono::duration_cast<std::chrono::seconds>(gate.loaded_at.time_since_epoch());
    out.gauge("build_info", "1, with the version.").sample(1, {"version", gate.version});
    out.gauge("config_last_reload_successful", "0 while the newest settings could not be taken up.")
        .sample(gate.reload_failed ? 0 : 1);
    out.gauge("config_loaded_timestamp_seconds", "When the settings in effect were taken up.")
        .sample(static_cast<std::uint64_t>(loaded.count()));
    out.gauge("draining", "1 while the daemon finishes what is under way.")
        .sample(gate.draining ? 1 : 0);
    out.gauge("resident_memory_bytes", "Memory of the process.").sample(resident_bytes());
}

void write_traffic(Exposition& out, const Gate& gate) {
    const auto requests = gate.requests.totals();
    out.counter("requests_total", "Responses to browsers, by class of status.")
        .by_class(requests.by_class);
    out.durations("request_duration_seconds",
                  "From a request's head to the last byte of the response; not of tunnels.",
                  requests);
    out.counter("refusals_total",
                "Responses among them that Cordgate gave in the application's place: 408 and 504 "
                "for time-outs, 413, 414, 429, 431 and 503 for limits.");
    for (const int status : RefusalCounts::statuses) {
        out.sample(gate.refusals.of(status), {"status", std::to_string(status)});
    }
    out.gauge("connections", "Connections of browsers that are open.").sample(gate.connections);
    out.counter("connections_refused_total", "Connections refused, by the limit they met.")
        .sample(gate.refused_connections, {"limit", "connections"})
        .sample(gate.refused_client_connections, {"limit", "connections_per_client"});
    out.counter("internal_requests_total", "Responses of the internal API, by class of status.")
        .by_class(gate.internal_requests.totals().by_class);
}

void write_logins(Exposition& out, const Gate& gate) {
    const auto& logins = gate.login_counts;
    out.counter("logins_begun_total", "Browsers sent to Discord.").sample(logins.begun);
    out.counter("logins_total", "Logins that came back from Discord, by result.")
        .sample(logins.finished, {"result", "ok"});
    for (std::size_t i = 0; i < logins.failed.size(); ++i) {
        const auto name = to_string(static_cast<LoginFailure>(i));
        out.sample(logins.failed[i], {"result", std::string(name)});
    }
    out.counter("logouts_total", "Sessions ended by their visitors.").sample(logins.logouts);
    out.counter("sessions_ended_total", "Sessions ended by anybody, on any replica.")
        .sample(logins.sessions_ended);
}

void write_caches(Exposition& out, Gate& gate) {
    const auto sessions = gate.cache.statistics();
    out.gauge("session_cache_entries", "Sessions in memory.").sample(gate.cache.size());
    out.counter("session_cache_lookups_total", "Look-ups of sessions in memory, by result.")
        .sample(sessions.hits, {"result", "hit"})
        .sample(sessions.misses, {"result", "miss"});
    const auto discord = gate.keeper.cache().statistics();
    out.gauge("discord_cache_entries", "Answers of Discord's in memory.").sample(discord.entries);
    out.gauge("discord_cache_bytes", "Size of these answers.").sample(discord.bytes);
    out.counter("discord_cache_lookups_total", "Look-ups of answers of Discord's, by result.")
        .sample(discord.hits, {"result", "hit"})
        .sample(discord.misses, {"result", "miss"})
        .sample(discord.shared, {"result", "shared"})
        .sample(discord.failures, {"result", "failure"});
    out.counter("discord_cache_evictions_total", "Answers dropped to make room.")
        .sample(discord.evictions);
}

void write_discord(Exposition& out, const Gate& gate) {
    const auto calls = gate.discord.statistics();
    out.counter("discord_calls_total", "Calls sent to Discord, by class of status.")
        .by_class(calls.by_status);
    out.counter("discord_rate_limited_total", "Answers of Discord's that were a 429 or a ban.")
        .sample(calls.rate_limited);
    out.counter("discord_held_back_total", "Calls not sent because of a rate limit or the breaker.")
        .sample(calls.held_back);
}

void write_pools(Exposition& out, Gate& gate) {
    const auto store = gate.store_calls.load();
    const auto changes = gate.store_changes.load();
    const auto discord = gate.discord_calls.load();
    out.gauge("blocking_calls_running", "Blocking calls that run, by pool.")
        .sample(store.running, {"pool", "store"})
        .sample(changes.running, {"pool", "store_changes"})
        .sample(discord.running, {"pool", "discord"});
    out.gauge("blocking_calls_waiting", "Blocking calls that wait for a thread, by pool.")
        .sample(store.waiting, {"pool", "store"})
        .sample(changes.waiting, {"pool", "store_changes"})
        .sample(discord.waiting, {"pool", "discord"});
}

}  // namespace

std::string metrics_text(Gate& gate) {
    Exposition out;
    write_process(out, gate);
    write_traffic(out, gate);
    write_logins(out, gate);
    write_caches(out, gate);
    write_discord(out, gate);
    write_pools(out, gate);
    return out.text();
}

}  // namespace cordgate::proxy
