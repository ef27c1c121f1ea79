#include "config/document.hpp"
#include "config/report.hpp"
#include "support.hpp"

using namespace cordgate;
using namespace cordgate::config;

namespace {

std::map<std::string, std::string> without_secret() {
    auto out = minimal();
    out.erase("CORDGATE_DISCORD_CLIENT_SECRET");
    return out;
}

std::map<std::string, std::string> with(const std::string& name, const std::string& value) {
    auto out = minimal();
    out[name] = value;
    return out;
}

Loaded load_file_secret(const std::string& path) {
    auto environment = without_secret();
    environment["CORDGATE_DISCORD_CLIENT_SECRET_FILE"] = path;
    return load({.file = "", .environment = environment, .flags = {}});
}

constexpr auto key_a = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
constexpr auto key_b = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

// A DER sequence that is whole, which is all that is looked at here.
constexpr auto certificate =
    "-----BEGIN CERTIFICATE-----\nMAYCAQECAQE=\n-----END CERTIFICATE-----\n";
constexpr auto private_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

}  // namespace

TEST_CASE("a secret may come from a file, without its line break (N6)") {
    const Folder folder;
    for (const std::string end : {"", "\n", "\r\n", "\n\n"}) {
        const auto loaded = load_file_secret(folder.write("s", std::string(good_secret) + end));
        INFO(all(loaded));
        REQUIRE(loaded.settings);
        CHECK(loaded.problems.empty());
        CHECK(loaded.settings->discord.client_secret.reveal() == good_secret);
    }
    const auto yaml =
        load_text("discord: {client_secret_file: " + folder.write("s", good_secret) + "}\n",
                  without_secret());
    REQUIRE(yaml.settings);
    CHECK(yaml.settings->discord.client_secret.reveal() == good_secret);
    auto environment = without_secret();
    const auto flag =
        load({.file = "",
              .environment = environment,
              .flags = {{"discord-client-secret-file", folder.write("s", good_secret)}}});
    REQUIRE(flag.settings);
    CHECK(flag.settings->discord.client_secret.reveal() == good_secret);
}

TEST_CASE(
    "a secret's file that cannot serve is named with the reason (N6, CWE-732, CVE-2026-54762)") {
    const Folder folder;
    CHECK(says(load_file_secret(folder.path() + "/absent"), "No such file or directory"));
    CHECK(says(load_file_secret(folder.path()), "Is a directory"));
    CHECK(says(load_file_secret(folder.write("e", "")), "is empty"));
    CHECK(says(load_file_secret(folder.write("n", "\n")), "is empty"));
    CHECK(says(load_file_secret(folder.write("two", "line one\nline two\n")), "line breaks"));
    CHECK(says(load_file_secret(folder.write("big", std::string(70'000, 'a'))), "too large"));
    for (const auto* const name : {"absent", "e", "n", "two", "big"})
        CHECK_FALSE(load_file_secret(folder.path() + "/" + name).settings);
    const auto open = load_file_secret(folder.write("open", good_secret, 0644));
    CHECK(open.settings);
    CHECK(says(open, "warning: "));
    CHECK(says(open, "every user of this machine"));
}

TEST_CASE("a secret that a container's runtime mounts may be readable") {
    CHECK(is_mounted_secret("/run/secrets/discord_client_secret"));
    CHECK_FALSE(is_mounted_secret("/run/secrets/../../etc/secret"));
    CHECK_FALSE(is_mounted_secret("/run/secrets.txt"));
    CHECK_FALSE(is_mounted_secret("run/secrets/a"));
}

TEST_CASE("two forms of one secret are an error, wherever they are") {
    const Folder folder;
    const auto file = folder.write("s", good_secret);
    auto environment = minimal();
    environment["CORDGATE_DISCORD_CLIENT_SECRET_FILE"] = file;
    CHECK_FALSE(load({.file = "", .environment = environment, .flags = {}}).settings);
    const auto mixed = load_text("discord: {client_secret_file: " + file + "}\n");
    CHECK_FALSE(mixed.settings);
    CHECK(says(mixed, "both discord.client_secret (environment CORDGATE_DISCORD_CLIENT_SECRET)"));
    CHECK(says(mixed, "c.yaml:1:"));
    CHECK_FALSE(
        load_text("session: {keys: [" + std::string(key_a) + "], keys_file: " + file + "}\n")
            .settings);
}

TEST_CASE("placeholders are no secrets (N7)") {
    for (const std::string bad :
         {"changeme", "ChangeMe!", "change-me", "secret", "xxx", "XXXXXXXX", "password",
          "<your secret>", "todo", "...", "your_client_secret"}) {
        CAPTURE(bad);
        auto environment = minimal();
        environment["CORDGATE_DISCORD_CLIENT_SECRET"] = bad;
        const auto loaded = load({.file = "", .environment = environment, .flags = {}});
        CHECK_FALSE(loaded.settings);
        CHECK(says(loaded, "discord.client_secret: "));
    }
    CHECK_FALSE(load_text("discord: {bot_token: changeme}\n").settings);
    CHECK_FALSE(load_text("internal: {token: secret}\n").settings);
    CHECK(says(load_text("internal: {token: t0ken}\n"), "warning: is short"));
}

TEST_CASE("session keys are base64 of 32 bytes, each its own (N7)") {
    const auto keys = [](const std::string& list) {
        return load_text("session: {keys: [" + list + "]}\n");
    };
    const auto good = keys(std::string(key_a) + ", " + key_b);
    INFO(all(good));
    REQUIRE(good.settings);
    REQUIRE(good.settings->session.keys.size() == 2);
    CHECK(good.settings->session.keys[0].reveal() == "0123456789abcdef0123456789abcdef");
    CHECK(says(keys("c2hvcnQ="), "exactly 32 bytes"));
    CHECK(says(keys("'not base64 at all!!'"), "exactly 32 bytes"));
    CHECK(says(keys("changeme"), "is a placeholder"));
    CHECK(says(keys(std::string(43, 'A') + "="), "is a placeholder"));
    CHECK(says(keys("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="), "same byte"));
    CHECK(says(keys(std::string(key_a) + ", " + key_a), "is listed twice"));
    const Folder folder;
    const auto file =
        folder.write("keys", "# newest first\n" + std::string(key_b) + "\r\n" + key_a + "\n");
    const auto from_file = load_text("session: {keys_file: " + file + "}\n");
    INFO(all(from_file));
    REQUIRE(from_file.settings);
    CHECK(from_file.settings->session.keys.size() == 2);
    const auto variable =
        load({.file = "",
              .environment = with("CORDGATE_SESSION_KEYS", std::string(key_a) + "," + key_b),
              .flags = {}});
    REQUIRE(variable.settings);
    CHECK(variable.settings->session.keys.size() == 2);
}

TEST_CASE("no message repeats a secret") {
    const std::string mark = "hunter2hunter2";
    const std::string files[] = {
        "discord: {client_secret: {a: " + mark + "}}\n",
        "discord: {client_secret: [" + mark + "]}\n",
        "discord: {client_secret: '" + mark + " with blanks'}\n",
        "discord: {bot_token: \"" + mark + "\\n\"}\n",
        "session: {keys: [" + mark + "]}\n",
        "session: {keys: " + mark + "}\n",
        "session: {keys: [[" + mark + "]]}\n",
        "internal: {token: \"" + mark + " \"}\n",
        "session: {store: 'redis://u:" + mark + "@h:99999/0'}\n",
        "session: {store: 'postgres://u:" + mark + "@h/0'}\n",
    };
    for (const auto& file : files) {
        CAPTURE(file);
        auto environment = without_secret();
        environment.erase("CORDGATE_SESSION_STORE");
        const auto loaded = load_text(file, environment);
        CHECK_FALSE(loaded.settings);
        CHECK_FALSE(says(loaded, mark));
    }
    const auto flag = load(
        {.file = "", .environment = without_secret(), .flags = {{"discord-client-secret", mark}}});
    CHECK(flag.settings);
    CHECK(says(flag, "on the command line"));
    CHECK_FALSE(says(flag, mark));
}

TEST_CASE("a Redis is taken with its keys, and its password is masked (L26, N15)") {
    const auto redis = [](const std::string& store, const std::string& more = "") {
        auto environment = minimal();
        environment.erase("CORDGATE_SESSION_STORE");
        return load_text("session: {store: '" + store + "'" + more + "}\n", environment);
    };
    const std::string keys = ", keys: [" + std::string(key_a) + "]";
    struct Case {
        std::string store;
        std::string shown;
    };
    const Case good[] = {
        {"redis://localhost",                "redis://localhost:6379/0"           },
        {"redis://u:hunter2@Redis:7000/3",   "redis://u:********@redis:7000/3"    },
        {"redis://:hun%40ter2@[::1]:7000/",  "redis://:********@[::1]:7000/0"     },
        {"rediss://:hunter2@r.example",      "rediss://:********@r.example:6379/0"},
        {"redis+unix:/run/r.sock",           "redis+unix:/run/r.sock"             },
        {"redis+unix://u:hunter2@/r.s?db=2", "redis+unix://u:********@/r.s?db=2"  },
    };
    for (const auto& c : good) {
        CAPTURE(c.store);
        const auto loaded = redis(c.store, keys);
        INFO(all(loaded));
        REQUIRE(loaded.settings);
        CHECK(loaded.settings->session.store == c.store);
        CHECK(loaded.settings->shown.at("session.store").yaml.find(c.shown) != std::string::npos);
        CHECK(effective_settings({}, *loaded.settings).find("hunter2") == std::string::npos);
    }
    CHECK(says(redis("redis://localhost"), "session.keys: Redis needs a key"));
    const Case bad[] = {
        {"redis://",                      "has no host"                    },
        {"redis:localhost",               "must start with redis://"       },
        {"redis://hunter2@h/0",           "user without a password"        },
        {"redis://u:@h/0",                "empty password"                 },
        {"redis://u:%zz@h/0",             "broken % escape"                },
        {"redis://u:hunter2@h:99999/0",   "port that is not a number"      },
        {"redis://u:hunter2@h:0/0",       "port that is not a number"      },
        {"redis://u:hunter2@h/zero",      "database that is not a number"  },
        {"redis://u:hunter/2@h/0",        "port that is not a number"      },
        {"redis://h/0?db=1",              "no options behind"              },
        {"rediss://h/0?tls=no",           "no option behind the ? but ca_f"},
        {"redis+unix:run/r.sock",         "path of a socket"               },
        {"redis+unix:/r.sock?database=1", "no option behind the ? but db"  },
        {"rediss://h/0?ca_file=/absent",  "No such file"                   },
    };
    for (const auto& c : bad) {
        CAPTURE(c.store);
        const auto loaded = redis(c.store, keys);
        INFO(all(loaded));
        CHECK_FALSE(loaded.settings);
        CHECK(says(loaded, c.shown));
        CHECK_FALSE(says(loaded, "hunter2"));
    }
    auto environment = minimal();
    environment.erase("CORDGATE_SESSION_STORE");
    environment["CORDGATE_SESSION_KEYS"] = key_a;
    const auto flag = load({.file = "",
                            .environment = environment,
                            .flags = {{"session-store", "redis://:hunter2@h/0"}}});
    CHECK(flag.settings);
    CHECK(says(flag, "on the command line"));
}

TEST_CASE("broken certificates and keys refuse to start (K3, CVE-2026-27586, CVE-2022-46153)") {
    const Folder folder;
    const auto cert = folder.write("cert.pem", certificate);
    const auto key = folder.write("key.pem", private_key);
    const auto tls = [](const std::string& c, const std::string& k) {
        return load_text("server: {tls: {cert_file: '" + c + "', key_file: '" + k + "'}}\n");
    };
    const auto good = tls(cert, key);
    INFO(all(good));
    CHECK(good.settings);
    CHECK(good.problems.empty());
    const auto framed = [](const std::string& body) {
        return "-----BEGIN CERTIFICATE-----\n" + body + "\n-----END CERTIFICATE-----\n";
    };
    const auto absent = folder.path() + "/x";
    const auto text = folder.write("a", "hello\n");
    const auto cut = folder.write("b", "-----BEGIN CERTIFICATE-----\nMAY\n");
    const auto no_base64 = folder.write("c", framed("M!"));
    const auto too_short = folder.write("d", framed("MAkCAQECAQE="));
    const auto mixed = folder.write("e", std::string(certificate) + framed("AAAA"));
    const auto encrypted = folder.write("f", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n");
    struct Case {
        std::string name, cert, key, says;
    };
    const Case cases[] = {
        {"no key",               cert,      "",        "needs server.tls.key_file as well" },
        {"no certificate",       "",        key,       "needs server.tls.cert_file as well"},
        {"absent",               absent,    key,       "No such file"                      },
        {"absent key",           cert,      absent,    "No such file"                      },
        {"not PEM",              text,      key,       "holds no PEM certificate"          },
        {"cut",                  cut,       key,       "without its end"                   },
        {"not base64",           no_base64, key,       "broken certificate"                },
        {"shorter than it says", too_short, key,       "broken certificate"                },
        {"good, then broken",    mixed,     key,       "broken certificate"                },
        {"certificate as key",   cert,      cert,      "no PEM private key"                },
        {"encrypted key",        cert,      encrypted, "is encrypted"                      },
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        const auto loaded = tls(c.cert, c.key);
        INFO(all(loaded));
        CHECK_FALSE(loaded.settings);
        CHECK(says(loaded, c.says));
    }
    CHECK(says(tls(cert, folder.write("open.pem", private_key, 0644)), "warning: "));
    for (const std::string place : {"discord: {ca_file: '",
                                    "upstreams: [{url: 'https://a', tls: "
                                    "{ca_file: '"}) {
        auto environment = minimal();
        const bool upstream = place.starts_with("up");
        if (upstream) environment.erase("CORDGATE_UPSTREAMS");
        const std::string end = upstream ? "'}}]\n" : "'}\n";
        CHECK(load_text(place + cert + end, environment).settings);
        CHECK_FALSE(load_text(place + folder.write("a", "hello\n") + end, environment).settings);
        CHECK_FALSE(load_text(place + folder.path() + "/absent" + end, environment).settings);
        CHECK_FALSE(load_text(place + folder.write("z", "") + end, environment).settings);
    }
}

TEST_CASE("the webhook key is 64 hexadecimal digits") {
    const std::string hex(64, 'A');
    const auto loaded = load_text("discord: {public_key: " + hex + "}\n");
    INFO(all(loaded));
    REQUIRE(loaded.settings);
    CHECK(loaded.settings->discord.public_key == std::string(64, 'a'));
    CHECK_FALSE(load_text("discord: {public_key: abc}\n").settings);
    CHECK_FALSE(load_text("discord: {public_key: " + std::string(64, 'g') + "}\n").settings);
}
