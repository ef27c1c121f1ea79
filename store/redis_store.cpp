#include "store/redis_store.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <limits>
#include <stdexcept>

#include "store/redis.hpp"
#include "store/redis_scripts.hpp"

namespace cordgate {
namespace {

using redis::Repeat;
using redis::store_error;
using redis::View;
using redis::Words;

/// How much longer Redis keeps something than it is good for: expired rows are
/// counted and taken out by `purge`, which may come late.
constexpr std::chrono::hours grace{1};
constexpr std::int64_t limit_of_time = 4'000'000'000'000'000'000;  // years 1843 to 2096, in ns

std::int64_t to_nanoseconds(TimePoint time) {
    const auto number =
        std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
    return std::clamp(number, -limit_of_time, limit_of_time);
}

// Nineteen digits, which sort as text.
std::string to_text(TimePoint time) {
    char text[32];
    std::snprintf(text, sizeof text, "%019lld",
                  static_cast<long long>(to_nanoseconds(time) + limit_of_time));
    return text;
}

std::optional<TimePoint> to_time(std::string_view text) {
    std::int64_t number = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
    number = std::clamp<std::int64_t>(number, 0, 2 * limit_of_time) - limit_of_time;
    return TimePoint(std::chrono::duration_cast<Clock::duration>(std::chrono::nanoseconds(number)));
}

// Redis sorts by doubles, which hold microseconds until the year 2255. Entries are
// rounded up and cut-offs down, so that nothing goes too early.
std::string score_up(TimePoint time) {
    const auto number = to_nanoseconds(time);
    return std::to_string(number / 1000 + (number % 1000 > 0 ? 1 : 0));
}

std::string score_down(TimePoint time) {
    const auto number = to_nanoseconds(time);
    return std::to_string(number / 1000 - (number % 1000 < 0 ? 1 : 0));
}

Error not_ours() {
    return store_error(ErrorKind::malformed_reply, "Redis: an answer of an unknown form");
}

// Fields as they are stored, behind the key. What is incomplete or is no number
// was not written by us: no session.
std::optional<SessionRow> read_session(std::string_view key, View reply, std::size_t first) {
    if (reply.size() != first + 6) return std::nullopt;
    for (std::size_t i = first; i < reply.size(); ++i) {
        if (!reply[i].is_text()) return std::nullopt;
    }
    const auto created = to_time(reply[first + 2].text());
    const auto last_seen = to_time(reply[first + 3].text());
    const auto expires = to_time(reply[first + 4].text());
    if (!created || !last_seen || !expires) return std::nullopt;
    return SessionRow{std::string(key),
                      std::string(reply[first].text()),
                      std::string(reply[first + 1].text()),
                      *created,
                      *last_seen,
                      *expires,
                      std::string(reply[first + 5].text())};
}

/// Of a key that is not there.
bool is_nothing(View fields) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
        if (!fields[i].is_nil()) return false;
    }
    return true;
}

/// Somebody else wrote to our key: there is something, and no key of ours opens it.
SessionRow foreign_row(const std::string& key) {
    SessionRow row;
    row.key = key;
    return row;
}

Result<bool> read_flag(Result<redis::Reply> reply) {
    if (!reply) return reply.error();
    const auto number = reply->view().integer();
    if (!number) return not_ours();
    return *number != 0;
}

Result<std::vector<std::string>> read_keys(Result<redis::Reply> reply) {
    if (!reply) return reply.error();
    if (!reply->view().is_array()) return not_ours();
    std::vector<std::string> keys;
    for (std::size_t i = 0; i < reply->view().size(); ++i) {
        keys.emplace_back(reply->view()[i].text());
    }
    return keys;
}

/// A line of INFO.
std::string info_value(std::string_view info, const std::string& name) {
    const auto at = info.find("\n" + name + ":");
    if (at == info.npos) return "";
    const auto from = at + name.size() + 2;
    return std::string(info.substr(from, info.find_first_of("\r\n", from) - from));
}

redis::Timing timing_of(const RedisOptions& options) {
    redis::Timing timing;
    timing.connect = options.connect_timeout;
    timing.command = options.command_timeout;
    return timing;
}

}  // namespace

std::string RedisStore::channel(const RedisUrl& url) {
    // Channels know nothing of database numbers.
    return prefix + std::to_string(url.database) + ":ended";
}

RedisStore::RedisStore(const RedisUrl& url, const RedisOptions& options)
    : options_(options),
      channel_(channel(url)),
      client_(std::make_unique<redis::Client>(url, timing_of(options_), options_.max_connections)),
      scripts_(std::make_unique<redis::Scripts>()) {
    const auto connected = client_->try_connect();
    if (connected) {
        look_for_risks();
        return;
    }
    if (connected.error().kind == ErrorKind::forbidden) {
        throw std::runtime_error("session.store cannot be used: " + connected.error().detail);
    }
    warnings_.push_back(connected.error().detail +
                        ": nobody can log in until it answers; it is tried again all the time");
}

RedisStore::~RedisStore() = default;

// Asked of INFO, which more users may call than CONFIG. A Redis that does not tell
// is no risk we know of.
void RedisStore::look_for_risks() {
    const auto memory = client_->command({"INFO", "memory"}, Repeat::yes);
    const auto disk = client_->command({"INFO", "persistence"}, Repeat::yes);
    if (!memory || !disk) return;
    const auto policy = info_value(memory->view().text(), "maxmemory_policy");
    const auto most = info_value(memory->view().text(), "maxmemory");
    if (!most.empty() && most != "0" && policy != "noeviction") {
        warnings_.push_back(
            "Redis may throw sessions away when its memory is full "
            "(maxmemory-policy " +
            policy + "); set it to noeviction");
    }
    if (info_value(disk->view().text(), "aof_enabled") == "0") {
        warnings_.push_back(
            "Redis keeps no log of changes (appendonly no): when it restarts, sessions are lost, "
            "and ended ones may come back. Set appendonly yes and appendfsync always");
    }
}

std::string RedisStore::time_to_live(TimePoint end) const {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::nanoseconds(to_nanoseconds(end) - to_nanoseconds(options_.now())));
    return std::to_string((std::max(left, std::chrono::milliseconds(0)) + grace).count());
}

// --- sessions ----------------------------------------------------------------------

Result<void> RedisStore::insert(const SessionRow& row) {
    const auto created = to_text(row.created), seen = to_text(row.last_seen),
               expires = to_text(row.expires), by_expires = score_up(row.expires),
               by_seen = score_up(row.last_seen), live = time_to_live(row.expires),
               long_ago = score_down(options_.now() - 2 * grace);
    const auto done = client_->run(scripts_->insert,
                                   {prefix, channel_, row.key, row.handle, row.user_id, created,
                                    seen, expires, row.sealed, by_expires, by_seen, live, long_ago},
                                   Repeat::no);
    if (!done) return done.error();
    if (done->view().text().empty()) return {};
    return store_error(ErrorKind::internal,
                       "a session's " + std::string(done->view().text()) + " was used twice");
}

Result<std::optional<SessionRow>> RedisStore::find(const std::string& key) {
    const auto name = std::string(prefix) + "s:" + key;
    const auto reply = client_->command({"HMGET", name, "h", "u", "c", "l", "e", "s"}, Repeat::yes);
    if (!reply) return reply.error();
    if (reply->view().is_error()) {
        if (reply->view().text().starts_with("WRONGTYPE")) return std::optional(foreign_row(key));
        return redis::to_failure(reply->view());
    }
    if (is_nothing(reply->view())) return std::optional<SessionRow>();
    auto row = read_session(key, reply->view(), 0);
    return row ? std::move(row) : std::optional(foreign_row(key));
}

Result<std::optional<SessionRow>> RedisStore::find_handle(const std::string& handle) {
    const auto reply = client_->run(scripts_->find_handle, {prefix, channel_, handle}, Repeat::yes);
    if (!reply) return reply.error();
    if (reply->view().size() == 0) return std::optional<SessionRow>();
    return read_session(reply->view()[0].text(), reply->view(), 1);
}

Result<Replaced> RedisStore::write_over(const SessionRow& row, const std::string* expected) {
    const auto seen = to_text(row.last_seen), expires = to_text(row.expires),
               by_expires = score_up(row.expires), by_seen = score_up(row.last_seen),
               live = time_to_live(row.expires);
    Words words{prefix, channel_, row.key, seen, expires, row.sealed, by_expires, by_seen, live};
    if (expected) words.emplace_back(*expected);
    // Without `expected` it is the same however often it is done.
    const auto done = client_->run(scripts_->update, words, expected ? Repeat::no : Repeat::yes);
    if (!done) return done.error();
    if (done->view().text() == "gone") return Replaced::gone;
    return done->view().text() == "changed" ? Replaced::changed : Replaced::yes;
}

Result<bool> RedisStore::update(const SessionRow& row) {
    const auto done = write_over(row, nullptr);
    if (!done) return done.error();
    return *done == Replaced::yes;
}

Result<Replaced> RedisStore::replace(const SessionRow& row, const std::string& expected) {
    return write_over(row, &expected);
}

Result<bool> RedisStore::touch(const std::string& key, TimePoint when) {
    const auto seen = to_text(when), by_seen = score_up(when);
    return read_flag(
        client_->run(scripts_->touch, {prefix, channel_, key, seen, by_seen}, Repeat::yes));
}

Result<bool> RedisStore::erase(const std::string& key) {
    const auto erased = erase_many({key});
    if (!erased) return erased.error();
    return !erased->empty();
}

Result<std::optional<std::string>> RedisStore::erase_handle(const std::string& handle) {
    const auto reply = client_->run(scripts_->erase_handle, {prefix, channel_, handle}, Repeat::no);
    if (!reply) return reply.error();
    if (reply->view().is_nil()) return std::optional<std::string>();
    return std::optional(std::string(reply->view().text()));
}

Result<std::vector<std::string>> RedisStore::erase_user(const std::string& user_id,
                                                        TimePoint until) {
    const auto last = to_text(until);
    return read_keys(
        client_->run(scripts_->erase_user, {prefix, channel_, user_id, last}, Repeat::no));
}

Result<std::vector<std::string>> RedisStore::missing(const std::vector<std::string>& keys) {
    Words words{prefix, channel_};
    words.insert(words.end(), keys.begin(), keys.end());
    return read_keys(client_->run(scripts_->missing, words, Repeat::yes));
}

Result<std::vector<std::string>> RedisStore::erase_many(const std::vector<std::string>& keys) {
    Words words{prefix, channel_};
    words.insert(words.end(), keys.begin(), keys.end());
    return read_keys(client_->run(scripts_->erase, words, Repeat::no));
}

Result<SessionPage> RedisStore::list(const std::string& user_id, const std::string& cursor,
                                     std::size_t limit) {
    const auto most = std::to_string(limit);
    const auto reply =
        client_->run(scripts_->list, {prefix, channel_, user_id, cursor, most}, Repeat::yes);
    if (!reply) return reply.error();
    const auto rows = reply->view();
    if (rows.size() == 0) return not_ours();
    SessionPage page;
    for (std::size_t i = 0; i + 1 < rows.size(); ++i) {
        if (rows[i].size() == 0) return not_ours();
        auto row = read_session(rows[i][0].text(), rows[i], 1);
        if (row) page.rows.push_back(std::move(*row));
    }
    page.next = rows[rows.size() - 1].text();
    return page;
}

Result<bool> RedisStore::has_sessions() {
    const auto page = list("", "", 1);
    if (!page) return page.error();
    return !page->rows.empty();
}

// --- logins ------------------------------------------------------------------------

Result<void> RedisStore::put_login(const LoginRow& row) {
    const auto created = to_text(row.created), by_created = score_up(row.created),
               live = time_to_live(row.created + 2 * PendingLogin::lifetime),
               of_browser = std::to_string(PendingLogin::max_per_browser),
               of_all = std::to_string(options_.max_logins);
    const auto added = read_flag(client_->run(scripts_->put_login,
                                              {prefix, channel_, row.key, row.browser, created,
                                               row.sealed, by_created, live, of_browser, of_all},
                                              Repeat::no));
    if (!added) return added.error();
    if (!*added) return store_error(ErrorKind::internal, "a login's state was used twice");
    return {};
}

Result<std::optional<LoginRow>> RedisStore::take_login(const std::string& key) {
    const auto reply = client_->run(scripts_->take_login, {prefix, channel_, key}, Repeat::no);
    if (!reply) return reply.error();
    const auto found = reply->view();
    if (found.size() < 3) return std::optional<LoginRow>();
    const auto created = to_time(found[1].text());
    if (!created) return std::optional<LoginRow>();
    return std::optional(
        LoginRow{key, std::string(found[0].text()), *created, std::string(found[2].text())});
}

// --- leases ------------------------------------------------------------------------

Result<bool> RedisStore::try_lease(const std::string& name, const std::string& holder,
                                   std::chrono::milliseconds duration) {
    const auto time = std::to_string(duration.count());
    return read_flag(
        client_->run(scripts_->try_lease, {prefix, channel_, name, holder, time}, Repeat::yes));
}

Result<bool> RedisStore::renew_lease(const std::string& name, const std::string& holder,
                                     std::chrono::milliseconds duration) {
    const auto time = std::to_string(duration.count());
    return read_flag(
        client_->run(scripts_->renew_lease, {prefix, channel_, name, holder, time}, Repeat::yes));
}

Result<bool> RedisStore::release_lease(const std::string& name, const std::string& holder) {
    return read_flag(
        client_->run(scripts_->release_lease, {prefix, channel_, name, holder}, Repeat::no));
}

// --- upkeep ------------------------------------------------------------------------

// Redis does one thing at a time, so each step is kept short.
Result<std::size_t> RedisStore::purge(const Cutoffs& cutoffs, std::size_t limit) {
    constexpr std::size_t step = 100;
    const auto expires = score_down(cutoffs.expires), seen = score_down(cutoffs.last_seen),
               created = score_down(cutoffs.login_created);
    std::size_t removed = 0;
    while (removed < limit) {
        const auto wanted = std::min(step, limit - removed);
        const auto most = std::to_string(wanted);
        const auto reply = client_->run(
            scripts_->purge, {prefix, channel_, expires, seen, created, most}, Repeat::yes);
        if (!reply) return reply.error();
        const auto count = reply->view().integer();
        if (!count) return not_ours();
        removed += static_cast<std::size_t>(*count);
        if (static_cast<std::size_t>(*count) < wanted) break;
    }
    return removed;
}

Result<void> RedisStore::ping() {
    const auto reply = client_->command({"PING"}, Repeat::yes);
    if (!reply) return reply.error();
    if (reply->view().is_error()) return redis::to_failure(reply->view());
    return {};
}

}  // namespace cordgate
