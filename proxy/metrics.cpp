#include "proxy/metrics.hpp"

#include <unistd.h>

#include <fstream>
#include <initializer_list>
#include <utility>

#include "proxy/gate.hpp"

namespace cordgate::proxy {
namespace {

constexpr const char* status_classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

/// Writes families of samples one after another.
class Exposition {
public:
    Exposition& counter(std::string_view name, std::string_view help) {
        return family(name, help, "counter");
    }
    Exposition& gauge(std::string_view name, std::string_view help) {
        return family(name, help, "gauge");
    }
    Exposition& sample(std::uint64_t value, std::string_view labels = {}) {
        text_.append(name_).append(labels.empty() ? "" : "{").append(labels);
        text_.append(labels.empty() ? " " : "} ").append(std::to_string(value)).append("\n");
        return *this;
    }
    /// One sample for each value of the label `label`.
    Exposition& samples(std::string_view label,
                        std::initializer_list<std::pair<const char*, std::uint64_t>> values) {
        for (const auto& [value, count] : values) sample(count, labelled(label, value));
        return *this;
    }
    Exposition& by_status(const StatusCounts::Totals& totals) {
        for (std::size_t i = 0; i < totals.size(); ++i) {
            sample(totals[i], labelled("status", status_classes[i]));
        }
        return *this;
    }
    static std::string labelled(std::string_view label, std::string_view value) {
        return std::string(label) + "=\"" + std::string(value) + "\"";
    }
    std::string take() { return std::move(text_); }

private:
    Exposition& family(std::string_view name, std::string_view help, std::string_view type) {
        name_ = "cordgate_" + std::string(name);
        text_ += "# HELP " + name_ + " " + std::string(help) + "\n# TYPE " + name_ + " " +
                 std::string(type) + "\n";
        return *this;
    }

    std::string name_;
    std::string text_;
};

std::uint64_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    std::uint64_t pages = 0;
    statm >> pages >> pages;
    return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void write_traffic(Exposition& out, const Gate& gate) {
    out.counter("requests_total", "Responses to browsers, by class of status.")
        .by_status(gate.requests.totals());
    out.counter("internal_requests_total", "Responses of the internal API, by class of status.")
        .by_status(gate.internal_requests.totals());
    out.gauge("connections", "Connections of browsers that are open.").sample(gate.connections);
    out.gauge("draining", "1 while the daemon finishes what is under way.")
        .sample(gate.draining ? 1 : 0);
}

void write_logins(Exposition& out, const Gate& gate) {
    const auto& logins = gate.login_counts;
    out.counter("logins_begun_total", "Browsers sent to Discord.").sample(logins.begun);
    out.counter("logins_total", "Logins that came back from Discord, by result.")
        .sample(logins.finished, Exposition::labelled("result", "ok"));
    for (std::size_t i = 0; i < logins.failed.size(); ++i) {
        const auto name = to_string(static_cast<LoginFailure>(i));
        out.sample(logins.failed[i], Exposition::labelled("result", name));
    }
    out.counter("logouts_total", "Sessions ended by their visitors.").sample(logins.logouts);
    out.counter("sessions_ended_total", "Sessions ended by anybody, on any replica.")
        .sample(logins.sessions_ended);
}

void write_caches(Exposition& out, Gate& gate) {
    const auto sessions = gate.cache.statistics();
    out.gauge("session_cache_entries", "Sessions in memory.").sample(gate.cache.size());
    out.counter("session_cache_lookups_total", "Look-ups of sessions in memory, by result.")
        .samples("result", {
                               {"hit",  sessions.hits  },
                               {"miss", sessions.misses}
    });
    const auto discord = gate.keeper.cache().statistics();
    out.gauge("discord_cache_entries", "Answers of Discord's in memory.").sample(discord.entries);
    out.gauge("discord_cache_bytes", "Size of these answers.").sample(discord.bytes);
    out.counter("discord_cache_lookups_total", "Look-ups of answers of Discord's, by result.")
        .samples("result", {
                               {"hit",     discord.hits    },
                               {"miss",    discord.misses  },
                               {"shared",  discord.shared  },
                               {"failure", discord.failures}
    });
    out.counter("discord_cache_evictions_total", "Answers dropped to make room.")
        .sample(discord.evictions);
}

void write_discord(Exposition& out, const Gate& gate) {
    const auto calls = gate.discord.statistics();
    out.counter("discord_calls_total", "Calls sent to Discord, by class of status.");
    for (std::size_t i = 0; i < calls.by_status.size(); ++i) {
        out.sample(calls.by_status[i], Exposition::labelled("status", status_classes[i]));
    }
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
        .samples("pool", {
                             {"store",         store.running  },
                             {"store_changes", changes.running},
                             {"discord",       discord.running}
    });
    out.gauge("blocking_calls_waiting", "Blocking calls that wait for a thread, by pool.")
        .samples("pool", {
                             {"store",         store.waiting  },
                             {"store_changes", changes.waiting},
                             {"discord",       discord.waiting}
    });
    out.gauge("resident_memory_bytes", "Memory of the process.").sample(resident_bytes());
}

}  // namespace

std::string metrics_text(Gate& gate) {
    Exposition out;
    write_traffic(out, gate);
    write_logins(out, gate);
    write_caches(out, gate);
    write_discord(out, gate);
    write_pools(out, gate);
    return out.take();
}

}  // namespace cordgate::proxy
