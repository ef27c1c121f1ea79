#include <doctest/doctest.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "core/base64.hpp"
#include "core/random.hpp"
#include "store/files.hpp"
#include "store/key_file.hpp"
#include "store/open.hpp"
#include "support.hpp"

using namespace cordgate;
using namespace cordgate::test;

namespace {

/// What statfs(2) takes every file system for; 0: for what it is.
std::atomic<std::uint32_t> pretended_file_system{0};

}  // namespace

// In place of the C library's, for all of this program.
extern "C" int statfs(const char* path, struct statfs* status) noexcept {
    const auto code = static_cast<int>(::syscall(SYS_statfs, path, status));
    if (code == 0 && pretended_file_system != 0) status->f_type = pretended_file_system;
    return code;
}

namespace {

Session a_session() {
    Session session;
    session.handle = random_id();
    session.created_at = session.last_seen_at = noon;
    session.expires_at = noon + 24h;
    session.user_agent = "secret agent";
    session.grant.access_token = Secret("very-secret-access-token");
    session.grant.refresh_token = Secret("very-secret-refresh-token");
    session.identity.user.id = Snowflake(80351110224678912);
    session.identity.user.username = "nelly-the-visitor";
    session.identity.user.email = "nelly@example.com";
    return session;
}

Secret key_of(char c) {
    return Secret(std::string(32, c));
}

bool finds(SessionRepository& sessions, const SessionToken& token) {
    const auto found = sessions.find(token.digest(), noon);
    REQUIRE(found);
    return found->has_value();
}

}  // namespace

TEST_CASE("N15 a store that cannot be opened is refused with what to do") {
    const TempDir directory;
    struct Case {
        std::string name;
        std::string url;
        const char* said;
    };
    const Case cases[] = {
        {"unknown kind",      "mysql://root:hunter2@db/x",                "allowed are memory:"},
        {"no kind",           "cordgate.db",                              "allowed are memory:"},
        {"nothing",           "",                                         "allowed are memory:"},
        {"no path",           "sqlite:",                                  "allowed are memory:"},
        {"bad Redis URL",     "redis://u:hunter2@localhost/zero",         "not a number"       },
        {"missing directory", "sqlite:" + directory.file("missing/x.db"), "No such file"       },
        {"a directory",       "sqlite:" + directory.path().string(),      "not a file"         },
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        const auto why = complaint([&] { open_sessions(c.url, {}, 0s); });
        CAPTURE(why);
        CHECK(contains(why, c.said));
        CHECK_FALSE(contains(why, "hunter2"));
    }
    CHECK(contains(complaint([&] { open_sessions("memory:", {Secret("short")}, 0s); }),
                   "session.keys"));
}

TEST_CASE("L13 a database on a network file system is told from one on a local disk") {
    struct Case {
        std::uint32_t magic;  // linux/magic.h and, for those that are not there, statfs(2)
        const char* name;
    };
    constexpr Case cases[] = {
        {NFS_SUPER_MAGIC,       "NFS" },
        {SMB_SUPER_MAGIC,       "SMB" },
        {CIFS_SUPER_MAGIC,      "CIFS"},
        {SMB2_SUPER_MAGIC,      "SMB2"},
        {V9FS_MAGIC,            "9p"  },
        {CEPH_SUPER_MAGIC,      "Ceph"},
        {EXT4_SUPER_MAGIC,      ""    },
        {XFS_SUPER_MAGIC,       ""    },
        {BTRFS_SUPER_MAGIC,     ""    },
        {TMPFS_MAGIC,           ""    },
        {OVERLAYFS_SUPER_MAGIC, ""    },
    };
    for (const auto& c : cases) CHECK(files::name_of_network_file_system(c.magic) == c.name);
    CHECK(files::network_file_system("/proc/self/stat").empty());
    CHECK(files::network_file_system("/missing").empty());
}

TEST_CASE("L13 a database on a network file system is warned of at start, and used") {
    const TempDir directory;
    const auto path = directory.file("cordgate.db");
    CHECK(open_sessions("sqlite:" + path, {}, 0s).warnings.empty());
    pretended_file_system = NFS_SUPER_MAGIC;
    const auto opened = open_sessions("sqlite:" + path, {}, 0s);
    pretended_file_system = 0;
    REQUIRE(opened.warnings.size() == 1);
    CHECK(contains(opened.warnings[0], path));
    CHECK(contains(opened.warnings[0], "NFS"));
    CHECK(contains(opened.warnings[0], "local disk"));
    CHECK(opened.sessions->create(SessionToken::make(), a_session()));
}

TEST_CASE("memory: works without keys, and forgets everything") {
    const auto token = SessionToken::make();
    const auto opened = open_sessions("memory:", {}, 0s);
    REQUIRE(opened.sessions->create(token, a_session()));
    CHECK(finds(*opened.sessions, token));
    CHECK_FALSE(finds(*open_sessions("memory:", {}, 0s).sessions, token));
}

TEST_CASE("without session.keys a key is made once beside the database, and used again") {
    const TempDir directory;
    const auto path = directory.file("cordgate.db");
    const auto token = SessionToken::make();
    {
        const auto opened = open_sessions("sqlite:" + path, {}, 0s);
        CHECK(contains(opened.description, path));
        CHECK(contains(opened.description, path + ".key"));
        REQUIRE(opened.sessions->create(token, a_session()));
    }
    struct stat status {};
    REQUIRE(::stat((path + ".key").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    const auto text = read_file(path + ".key");
    CHECK(base64_decode(text.substr(0, text.size() - 1))->size() == 32);
    {
        const auto again = open_sessions("sqlite:" + path, {}, 0s);
        CHECK(finds(*again.sessions, token));
        CHECK(read_file(path + ".key") == text);
    }
    SUBCASE("its content moves to session.keys without logging anybody out") {
        const Secret moved(*base64_decode(text.substr(0, text.size() - 1)));
        const auto opened = open_sessions("sqlite:" + path, {key_of('n'), moved}, 0s);
        CHECK(finds(*opened.sessions, token));
    }
    SUBCASE("when it is missing while there are sessions, we do not start") {
        std::filesystem::remove(path + ".key");
        const auto why = complaint([&] { open_sessions("sqlite:" + path, {}, 0s); });
        CHECK(contains(why, path + ".key"));
        CHECK(contains(why, "is missing"));
        CHECK(contains(why, "session.keys"));
        CHECK_FALSE(std::filesystem::exists(path + ".key"));
    }
    SUBCASE("when it is missing and nobody is logged in, a new one is made") {
        std::filesystem::remove(path + ".key");
        std::filesystem::remove(path);
        (void)open_sessions("sqlite:" + path, {}, 0s);
        CHECK(read_file(path + ".key") != text);
    }
}

TEST_CASE("N6 a key file that is not whole or not private is refused by name") {
    const TempDir directory;
    const auto path = directory.file("k");
    const std::string whole = base64_encode(std::string(32, 'k'));
    struct Case {
        std::string name;
        std::string text;
        mode_t mode;
        const char* said;
    };
    const Case cases[] = {
        {"as we write it",             whole + "\n",0600,""        },
        {"without line end",           whole,0400,""        },
        {"CRLF",                       whole + "\r\n",0600,""        },
        {"empty",                      "",0600,"32 bytes"},
        {"too short",                  base64_encode(std::string(31,'k')),0600,       "32 bytes"},
        {"too long",                            base64_encode(std::string(33,'k')),0600,"32 bytes"},
        {"very long",                  base64_encode(std::string(100'000,'k')),0600,"32 bytes"},
        {"not base64",                        std::string(44,'*'),       0600,                              "32 bytes"},
        {"two keys",                        whole + "\n" + whole + "\n",       0600,"32 bytes"},
        {"readable by group",whole,0640,"chmod 600"                            },
        {"readable by others",                                              whole,                                                                           0604,                                                                           "chmod 600"                                                        },
        {"writable by group",whole,0620,"chmod 600"},
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        write_file(path, c.text);
        REQUIRE(::chmod(path.c_str(), c.mode) == 0);
        const auto why = complaint([&] { read_or_make_key(path, false); });
        CAPTURE(why);
        if (*c.said == '\0') {
            CHECK(why == "");
            CHECK(read_or_make_key(path, true).reveal() == std::string(32, 'k'));
        } else {
            CHECK(contains(why, path));
            CHECK(contains(why, c.said));
            CHECK_FALSE(contains(why, whole));
        }
        CHECK(read_file(path) == c.text);
        std::filesystem::remove(path);
    }
    std::filesystem::create_directory(path);
    CHECK(contains(complaint([&] { read_or_make_key(path, false); }), path));
}

TEST_CASE("of many processes that start at once, one makes the key and all use it") {
    const TempDir directory;
    const auto path = directory.file("k");
    std::vector<std::string> keys(8);
    std::vector<std::thread> threads;
    for (auto& key : keys) {
        threads.emplace_back([&] { key = read_or_make_key(path, false).reveal(); });
    }
    for (auto& thread : threads) thread.join();
    CHECK(keys.front().size() == 32);
    for (const auto& key : keys) CHECK(key == keys.front());
}

TEST_CASE("D14 after a key was rotated old sessions open, and new ones need the new key") {
    const TempDir directory;
    const auto url = "sqlite:" + directory.file("cordgate.db");
    const auto old_token = SessionToken::make();
    const auto new_token = SessionToken::make();
    REQUIRE(open_sessions(url, {key_of('a')}, 0s).sessions->create(old_token, a_session()));
    {
        const auto both = open_sessions(url, {key_of('b'), key_of('a')}, 0s);
        CHECK(finds(*both.sessions, old_token));
        REQUIRE(both.sessions->create(new_token, a_session()));
    }
    const auto only_new = open_sessions(url, {key_of('b')}, 0s);
    CHECK(finds(*only_new.sessions, new_token));
    CHECK_FALSE(finds(*only_new.sessions, old_token));
    const auto only_old = open_sessions(url, {key_of('a')}, 0s);
    CHECK_FALSE(finds(*only_old.sessions, new_token));
    CHECK(finds(*only_old.sessions, old_token));
}

TEST_CASE("D14 a session that an old key sealed is sealed anew when it is used or changed") {
    const TempDir directory;
    const auto url = "sqlite:" + directory.file("cordgate.db");
    const auto used = SessionToken::make();
    const auto changed = SessionToken::make();
    const auto updated = SessionToken::make();
    const auto idle = SessionToken::make();
    {
        const auto before = open_sessions(url, {key_of('a')}, 0s);
        for (const auto* token : {&used, &changed, &updated, &idle}) {
            REQUIRE(before.sessions->create(*token, a_session()));
        }
    }
    {
        const auto both = open_sessions(url, {key_of('b'), key_of('a')}, 0s);
        REQUIRE(both.sessions->touch(used.digest(), noon + 1s));
        REQUIRE(both.sessions->touch(used.digest(), noon + 2s));
        REQUIRE(*both.sessions->change(changed.digest(), noon, [](Session&) { return true; }));
        auto session = both.sessions->find(updated.digest(), noon);
        REQUIRE(*both.sessions->update(updated.digest(), **session));
        CHECK(finds(*both.sessions, idle));
    }
    const auto without_old = open_sessions(url, {key_of('b')}, 0s);
    for (const auto* token : {&used, &changed, &updated})
        CHECK(finds(*without_old.sessions, *token));
    CHECK(without_old.sessions->find(used.digest(), noon)->value().last_seen_at == noon + 2s);
    CHECK_FALSE(finds(*without_old.sessions, idle));
    const auto without_new = open_sessions(url, {key_of('a')}, 0s);
    CHECK_FALSE(finds(*without_new.sessions, used));
    CHECK(finds(*without_new.sessions, idle));
}

TEST_CASE(
    "G3 F33 oauth2-proxy #10 the files hold no token, no cookie, no state and nothing of the "
    "visitor") {
    const TempDir directory;
    const auto path = directory.file("cordgate.db");
    const auto token = SessionToken::make();
    const auto state = random_token();
    const auto opened = open_sessions("sqlite:" + path, {}, 0s);
    REQUIRE(opened.sessions->create(token, a_session()));
    PendingLogin login;
    login.browser = sha256("browser");
    login.verifier = Secret("very-secret-verifier");
    login.return_to = "/private/page";
    login.data = "login-data";
    login.created_at = noon;
    REQUIRE(opened.sessions->begin_login(state, login));

    const auto dump = read_file(path) + read_file(path + "-wal");
    REQUIRE(contains(dump, token.digest()));  // it is the right dump
    for (const auto& secret :
         {token.secret().reveal(), *base64url_decode(token.secret().reveal()), state.reveal(),
          *base64url_decode(state.reveal()), std::string("very-secret"), std::string("nelly"),
          std::string("secret agent"), std::string("/private"), std::string("login-data")}) {
        CHECK_FALSE(contains(dump, secret));
    }
}
