#include <doctest/doctest.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <fstream>
#include <thread>

#include "store/sqlite.hpp"
#include "tests/support/fair_time.hpp"
#include "tests/support/internal.hpp"
#include "tests/support/replicas.hpp"

// What befalls the place where sessions are kept, and what visitors of a whole daemon
// see then: nothing is lost, and it recovers without a restart.

using namespace cordgate;
using namespace cordgate::test;
using namespace std::chrono_literals;
namespace demo = cordgate::sim::demo;
namespace fs = std::filesystem;
using SteadyClock = std::chrono::steady_clock;

namespace {

/// Fern's session is in the store, and nothing of it in the gate's memory.
Browser forgotten_fern(Stage& stage) {
    auto fern = stage.browser_of(demo::fern);
    REQUIRE(stage.stop_gate() == 0);
    stage.start_gate();
    return fern;
}

/// Try again later, and no word of a logout.
void check_unavailable(const Message& answer) {
    CHECK(answer.status() == 503);
    CHECK(answer.has("Retry-After"));
    CHECK_FALSE(answer.has("Set-Cookie"));
    CHECK_FALSE(answer.has("Location"));
}

/// Whether the visitor is let in soon, and nothing but 503 comes before.
bool is_back_soon(Browser& visitor) {
    int status = 0;
    return comes_true([&] { return (status = visitor.ask("GET", "/inbox").status()) != 503; }) &&
           status == 200;
}

std::string integrity(const std::string& path) {
    auto database = sqlite::Database::open(path, 2s);
    REQUIRE(database);
    const auto verdict = database->text("PRAGMA integrity_check");
    return verdict ? *verdict : verdict.error().detail;
}

/// A file system of its own, of one MiB; where that may not be had, a plain folder.
class SmallDisk {
public:
    SmallDisk() {
        is_mounted_ = ::mount("none", path().c_str(), "tmpfs", 0, "size=1m,mode=0700") == 0;
    }
    ~SmallDisk() {
        if (is_mounted_) ::umount2(path().c_str(), MNT_DETACH);
    }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;

    std::string path() const { return folder_.path().string(); }
    std::string file(const std::string& name) const { return folder_.file(name); }

    /// Nothing more fits, until `clear`.
    void fill(int daemon) {
        if (is_mounted_) {
            std::ofstream ballast(file("ballast"), std::ios::binary);
            const std::string piece(4096, 'b');
            while (ballast.write(piece.data(), 4096).flush()) continue;
        } else {
            limit(daemon, 1024);  // files may not grow: what an I/O error looks like (L5)
        }
    }
    void clear(int daemon) const {
        fs::remove(file("ballast"));
        limit(daemon, RLIM_INFINITY);
    }
    /// Whether it is read-only now, for whoever opens something.
    bool make_read_only() const {
        if (is_mounted_) {
            return ::mount("none", path().c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "") == 0;
        }
        fs::permissions(path(), fs::perms(0500));
        return true;
    }
    void make_writable() const {
        if (is_mounted_) {
            CHECK(::mount("none", path().c_str(), "tmpfs", MS_REMOUNT, "size=1m") == 0);
        } else {
            fs::permissions(path(), fs::perms(0700));
        }
    }

private:
    static void limit(int process, rlim_t bytes) {
        const struct rlimit limit { bytes, RLIM_INFINITY };
        REQUIRE(::prlimit(process, RLIMIT_FSIZE, &limit, nullptr) == 0);
    }

    TempDir folder_;
    bool is_mounted_ = false;
};

Script on(const SmallDisk& disk) {
    Script script;
    script.store = "sqlite:" + disk.file("sessions.db");
    return script;
}

/// Turns the bytes of some pages of the file around.
void damage(const std::string& path, std::size_t first_page, std::size_t pages) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    std::string bytes(pages * 4096, '\0');
    file.seekg(static_cast<std::streamoff>(first_page * 4096));
    file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    const auto count = file.gcount();
    file.clear();
    for (auto& byte : bytes) byte = static_cast<char>(~byte);
    file.seekp(static_cast<std::streamoff>(first_page * 4096));
    file.write(bytes.data(), count);
}

}  // namespace

TEST_CASE("L1 another process' lock: visitors stay, logins wait and then see 503") {
    Stage stage;
    auto fern = forgotten_fern(stage);
    auto other = sqlite::Database::open(stage.folder.file("sessions.db"), 2s);
    REQUIRE(other);
    REQUIRE(other->execute("BEGIN EXCLUSIVE"));

    CHECK(fern.ask("GET", "/inbox").status() == 200);  // WAL: reading goes on
    std::thread login([&] {
        const auto start = SteadyClock::now();
        check_unavailable(stage.browser().get("/login"));
        CHECK(SteadyClock::now() - start > 1s);
    });
    // Nobody else waits for those who wait.
    for (int i = 0; i < 20; ++i) CHECK(fern.ask("GET", "/inbox").status() == 200);
    login.join();
    check_unavailable(fern.post_form("/logout"));
    CHECK(fern.ask("GET", "/inbox").status() == 200);

    // Whoever waits is let in when the lock goes; where it goes late, the machine is slow.
    CHECK(comes_true([&] {
        const auto begun = SteadyClock::now();
        int status = 0;
        std::thread patient([&] { status = stage.browser().get("/login").status(); });
        std::this_thread::sleep_for(300ms);  // it is likely to wait by now
        CHECK(other->execute("COMMIT"));
        const bool is_late = SteadyClock::now() - begun > 1s;
        patient.join();
        if (status == 302) return true;
        CHECK(is_late);
        CHECK(other->execute("BEGIN EXCLUSIVE"));
        return false;
    }));
    CHECK(fern.post_form("/logout").status() == 303);
    CHECK(fern.ask("GET", "/inbox").status() == 401);
}

TEST_CASE("L3 L5 a full disk: visitors stay, logins and logouts see 503 until there is room") {
    SmallDisk disk;
    Stage stage(on(disk));
    auto fern = forgotten_fern(stage);
    const int daemon = stage.gate().process().pid();
    disk.fill(daemon);
    // What fits into the room that the files have already may still be written.
    auto answer = stage.browser().get("/login");
    for (int i = 0; i < 500 && answer.status() == 302; ++i) answer = stage.browser().get("/login");
    check_unavailable(answer);
    CHECK(fern.ask("GET", "/inbox").status() == 200);
    check_unavailable(fern.post_form("/logout"));
    CHECK(fern.ask("GET", "/inbox").status() == 200);
    for (int i = 0; i < 20; ++i) check_unavailable(stage.browser().get("/login"));
    REQUIRE(stage.gate().process().says("the session store fails"));
    const auto log = stage.gate().log();
    CHECK(log.find("the session store fails") == log.rfind("the session store fails"));

    disk.clear(daemon);
    auto robin = stage.browser_of(demo::robin);
    CHECK(robin.ask("GET", "/inbox").status() == 200);
    CHECK(fern.post_form("/logout").status() == 303);
    CHECK(fern.ask("GET", "/inbox").status() == 401);
    CHECK(stage.gate().process().pid() == daemon);
    CHECK(stage.stop_gate() == 0);
    CHECK(integrity(disk.file("sessions.db")) == "ok");
}

TEST_CASE("L5 a log without requests tells of a store that fails once, not for each of them") {
    Script script;
    script.log = "access: false";
    Stage stage(script);
    auto fern = forgotten_fern(stage);
    const auto file = stage.folder.file("sessions.db");
    fs::rename(file, file + ".away");
    for (int i = 0; i < 20; ++i) {
        for (const char* path : {"/inbox", "/login", "/logout", "/_cordgate/me"}) {
            CHECK(fern.get(path).status() == 503);
        }
        CHECK(fern.post_form("/logout").status() == 503);
    }
    fs::rename(file + ".away", file);
    CHECK(fern.ask("GET", "/inbox").status() == 200);
    CHECK(stage.stop_gate() == 0);
    const auto log = LogArchive::instance().logs().back();
    CHECK(log.find("the session store fails") != std::string::npos);
    CHECK(log.find("the session store fails") == log.rfind("the session store fails"));
    CHECK(log.find("status=503") == std::string::npos);
}

TEST_CASE("L4 a read-only directory: refuses to start, names it, and starts when it is not") {
    SmallDisk disk;
    Stage stage(on(disk));
    auto fern = stage.browser_of(demo::fern);
    REQUIRE(stage.stop_gate() == 0);
    REQUIRE(disk.make_read_only());
    const auto refused = run(stage.folder.path(), {"serve", "--config", "cordgate.yaml"});
    CHECK(refused.code == 1);
    CHECK(refused.output.find(disk.path()) != std::string::npos);
    CHECK(refused.output.find("give the user cordgate runs as write access") != std::string::npos);
    disk.make_writable();
    stage.start_gate();
    CHECK(fern.ask("GET", "/inbox").status() == 200);
}

TEST_CASE("L6 a corrupted page: 503 while it runs, and at start a refusal with what to do") {
    Stage stage;
    auto fern = forgotten_fern(stage);
    REQUIRE(stage.stop_gate() == 0);  // all of it is in the main file then
    const auto path = stage.folder.file("sessions.db");
    const auto sound = read_file(path);

    SUBCASE("at start") {
        damage(path, 1, 6);
        const auto damaged = read_file(path);
        const auto refused = run(stage.folder.path(), {"serve", "--config", "cordgate.yaml"});
        CHECK(refused.code == 1);
        CHECK(refused.output.find("sessions.db") != std::string::npos);
        CHECK(refused.output.find("corrupt") != std::string::npos);
        CHECK(refused.output.find("Restore a backup") != std::string::npos);
        CHECK(read_file(path) == damaged);
    }
    SUBCASE("while it runs") {
        stage.start_gate();
        damage(path, 1, sound.size() / 4096);
        for (int i = 0; i < 5; ++i) check_unavailable(fern.ask("GET", "/inbox"));
        CHECK(stage.ask(stage.request("GET /public/x")).status() == 200);
        CHECK(stage.gate().log().find("malformed") != std::string::npos);
        CHECK(stage.stop_gate() == 0);
    }
    // As the advice says.
    for (const auto* name : {"sessions.db-wal", "sessions.db-shm"}) {
        fs::remove(stage.folder.file(name));
    }
    write_file(path, sound);
    stage.start_gate();
    CHECK(fern.ask("GET", "/inbox").status() == 200);
}

TEST_CASE("L12 the daemon is the process that was started, and has no children") {
    Stage stage;
    const auto tasks = "/proc/" + std::to_string(stage.gate().process().pid()) + "/task";
    for (const auto& task : fs::directory_iterator(tasks)) {
        CHECK(read_file(task.path() / "children").empty());
    }
}

TEST_CASE("L16 a Redis that comes after the daemon is used at once") {
    RedisServer redis;
    redis.kill();
    Stage stage(over(redis));
    check_unavailable(stage.browser().get("/login"));
    CHECK(stage.gate().log().find("nobody can log in until it answers") != std::string::npos);
    const Internal api(stage);
    CHECK(api.get("/readyz").status == 503);
    CHECK(api.get("/healthz").status == 200);
    redis.start();
    CHECK(comes_true([&] { return stage.browser().get("/login").status() == 302; }));
    CHECK(api.get("/readyz").status == 200);
    auto fern = stage.browser_of(demo::fern);
    CHECK(fern.ask("GET", "/inbox").status() == 200);
}

TEST_CASE("L19 whoever goes away while Redis hangs leaves no answer to anybody else") {
    RedisServer redis;
    Stage stage(over(redis));
    auto robin = stage.browser_of(demo::robin);
    auto fern = forgotten_fern(stage);
    stage.app.forget();
    const auto ferns =
        stage.request("GET /of-fern", "Cookie: cordgate=" + fern.cookie("cordgate") + "\r\n");
    for (int round = 0; round < 3; ++round) {
        redis.pause();
        for (int i = 0; i < 8; ++i) Wire(stage.port()).send(ferns);
        redis.go_on();
        CHECK(is_back_soon(robin));
    }
    for (const auto& seen : stage.app.requests()) {
        const auto whose = seen.target() == "/of-fern" ? demo::fern : demo::robin;
        CHECK(seen.field("X-Discord-User-Id") == whose.to_string());
    }
}

TEST_CASE("L17 ten seconds without Redis under load: 503 and nothing else, and nothing is lost") {
    RedisServer redis({"--appendonly", "yes", "--appendfsync", "always"});
    Stage stage(over(redis));
    auto fern = stage.browser_of(demo::fern);
    auto robin = stage.browser_of(demo::robin);
    REQUIRE(robin.post_form("/logout").status() == 303);
    redis.kill();
    const auto start = SteadyClock::now();
    CHECK_MESSAGE(comes_true_within(1s, [&] { return fern.ask("GET", "/inbox").status() != 200; }),
                  "what is in memory serves for less than a second");
    while (SteadyClock::now() - start < 10s) {
        check_unavailable(fern.ask("GET", "/inbox"));
        check_unavailable(stage.browser().get("/login"));
        check_unavailable(fern.post_form("/logout"));
        CHECK(stage.ask(stage.request("GET /public/x")).status() == 200);
        std::this_thread::sleep_for(50ms);
    }
    redis.start();
    const FairTime returned;
    CHECK(is_back_soon(fern));
    CHECK(returned.passed() < 2s);
    CHECK(robin.ask("GET", "/inbox").status() == 401);
    auto again = stage.browser_of(demo::robin);
    CHECK(again.ask("GET", "/inbox").status() == 200);
}

TEST_CASE("L22 FLUSHALL while it runs: whoever is not remembered logs in again, on every replica") {
    Replicas replicas;
    auto& stage = replicas.stage;
    auto fern = stage.browser_of(demo::fern);
    (void)replicas.redis.ask({"FLUSHALL"});
    (void)replicas.redis.ask({"SCRIPT", "FLUSH"});
    CHECK(replicas.there(fern).ask("GET", "/inbox").status() == 401);
    auto again = stage.browser_of(demo::fern);
    CHECK(again.ask("GET", "/inbox").status() == 200);
    CHECK(replicas.there(again).ask("GET", "/inbox").status() == 200);
    CHECK(stage.stop_gate() == 0);
    CHECK(replicas.twin->stop() == 0);
}

TEST_CASE(
    "L20 a Redis that may not write to its disk: visitors stay, logins see 503 until it may") {
    RedisServer redis({"--save", "3600 1"});
    Stage stage(over(redis));
    auto fern = forgotten_fern(stage);
    // A snapshot that fails makes Redis refuse changes (MISCONF), until one works.
    const auto snapshot = redis.file("dump.rdb");
    fs::remove(snapshot);
    fs::create_directory(snapshot);
    const auto comes_to = [&](const std::string& line) {
        return comes_true([&] {
            (void)redis.ask({"BGSAVE"});
            const std::string info(redis.ask({"INFO", "persistence"}).view().text());
            return info.find(line) != std::string::npos;
        });
    };
    REQUIRE(comes_to("rdb_last_bgsave_status:err"));
    CHECK(fern.ask("GET", "/inbox").status() == 200);
    check_unavailable(stage.browser().get("/login"));
    check_unavailable(fern.post_form("/logout"));
    CHECK(fern.ask("GET", "/inbox").status() == 200);
    CHECK(stage.gate().log().find("MISCONF") != std::string::npos);
    fs::remove(snapshot);
    REQUIRE(comes_to("rdb_last_bgsave_status:ok"));
    CHECK(fern.post_form("/logout").status() == 303);
    CHECK(fern.ask("GET", "/inbox").status() == 401);
}
