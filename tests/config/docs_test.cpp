#include <cstdlib>
#include <set>

#include "config/report.hpp"
#include "config/table.hpp"
#include "support.hpp"

using namespace cordgate;
using namespace cordgate::config;

namespace {

void check_generated(const std::string& name, const std::string& text) {
    const std::string path = std::string(CORDGATE_SOURCE_DIR) + "/" + name;
    if (std::getenv("CORDGATE_UPDATE_DOCS")) {
        std::ofstream(path, std::ios::binary) << text;
        return;
    }
    INFO("stale: run config_test with CORDGATE_UPDATE_DOCS=1 to rewrite " << name);
    CHECK(read(path) == text);
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("the reference, the schema and the example are what the table says") {
    check_generated("docs/configuration.md", reference_markdown());
    check_generated("docs/cordgate.schema.json", json_schema());
    check_generated("config/example.yaml", example_yaml());
}

TEST_CASE("every setting has help, and names that belong to it alone") {
    std::set<std::string> flags;
    std::set<std::string> variables;
    for (const auto& row : settings_table()) {
        CAPTURE(row.key);
        CHECK_FALSE(row.help.empty());
        CHECK(row.help.back() == '.');
    }
    for (const auto& outer : outer_names()) {
        CAPTURE(outer.key);
        CHECK(flags.insert(outer.flag).second);
        CHECK(variables.insert(outer.environment).second);
        CHECK_FALSE(is_foreign_variable(outer.environment));
    }
    CHECK(flags.contains("session-idle-timeout"));
    CHECK(variables.contains("CORDGATE_SESSION_IDLE_TIMEOUT"));
    CHECK(variables.contains("CORDGATE_DISCORD_CLIENT_SECRET_FILE"));
}

TEST_CASE("a setting without effect says so on the page, in the help and when it is given") {
    // All of them work; one that does not yet would have to be given here, and be told of.
    for (const auto& row : settings_table()) {
        CAPTURE(row.key);
        CHECK(row.not_yet.empty());
    }
    CHECK(reference_markdown().find("No effect in this version") == std::string::npos);
}

TEST_CASE("no setting of the table is left unread (CVE-2021-21411)") {
    // A value that fits nothing must be noticed, whichever key it stands under.
    for (const auto& row : settings_table()) {
        CAPTURE(row.key);
        std::string yaml(row.key);
        std::string end;
        for (auto dot = yaml.find('.'); dot != std::string::npos; dot = yaml.find('.')) {
            yaml.replace(dot, 1, ": {");
            end += "}";
        }
        const auto loaded = load_text(yaml + ": [[{a: b}]]" + end + "\n", {});
        INFO(all(loaded));
        CHECK(says(loaded, "c.yaml:1:"));
        bool found = false;
        for (const auto& problem : loaded.problems)
            found = found || (problem.key.starts_with(row.key) && problem.where != "c.yaml:1:1");
        CHECK(found);
    }
}

TEST_CASE("the example mentions every key, and loads") {
    const Folder folder;
    const auto secret = folder.write("secret", good_secret);
    const auto text = example_yaml();
    for (const auto& row : settings_table()) {
        CAPTURE(row.key);
        const auto name = std::string(row.key.substr(row.key.rfind('.') + 1));
        const bool mentioned = text.find(name + ":") != std::string::npos ||
                               text.find(name + "_file:") != std::string::npos;
        CHECK(mentioned);
        for (const auto& field : row.fields)
            CHECK(text.find(std::string(field.key.substr(field.key.rfind('.') + 1)) + ":") !=
                  std::string::npos);
    }
    const auto loaded = load_text(replaced(text, "/run/secrets/discord_client_secret", secret), {});
    INFO(all(loaded));
    REQUIRE(loaded.settings);
    REQUIRE(loaded.problems.size() == 1);  // whose proxies to believe has no default that fits
    CHECK(loaded.problems.front().warning);
    CHECK(says(loaded, "server.trusted_proxies"));
}

TEST_CASE("the starter loads once its two gaps are filled (N20)") {
    const Folder folder;
    const auto secret = folder.write("secret", good_secret);
    auto text = init_config_yaml();
    const auto before = load_text(text, {});
    CHECK_FALSE(before.settings);
    CHECK(says(before, "discord.client_id"));
    CHECK(says(before, "discord.client_secret_file"));
    text = replaced(text, "PASTE_CLIENT_ID", "1234");
    text = replaced(text, "/run/secrets/discord_client_secret", secret);
    const auto loaded = load_text(text, {});
    INFO(all(loaded));
    REQUIRE(loaded.settings);
    CHECK(loaded.problems.empty());
    CHECK(load_text(init_compose_yaml(), {}).problems.size() > 0);  // it is YAML, and not ours
    CHECK_FALSE(says(load_text(init_compose_yaml(), {}), "not valid YAML"));
    const auto deployed = read(std::string(CORDGATE_SOURCE_DIR) + "/deploy/compose.yaml");
    for (const auto* const both :
         {"file: ./discord_client_secret\n", "chmod 644 it, or chown 65532",
          "ports: [\"127.0.0.1:4180:4180\"]", "'./dev image'", "\n    stop_grace_period: 40s\n",
          "\n    read_only: true\n", "\n    tmpfs: [\"/tmp:size=16m,mode=1777\"]\n",
          "\n    cap_drop: [ALL]\n", "\n    security_opt: [\"no-new-privileges:true\"]\n"}) {
        CAPTURE(both);
        CHECK(init_compose_yaml().find(both) != std::string::npos);
        CHECK(deployed.find(both) != std::string::npos);
    }
}

TEST_CASE("effective settings show where each came from, and no secret") {
    auto environment = minimal();
    environment["CORDGATE_SESSION_KEYS"] = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    const auto loaded = load_text(
        "session: {idle_timeout: 1h30m}\n"
        "rules: [{path: /a, require: {guild: '5', role: '7'}}]\n",
        environment,
        {
            {"log-level", "debug"}
    });
    INFO(all(loaded));
    REQUIRE(loaded.settings);
    const auto text = effective_settings({}, *loaded.settings);
    INFO(text);
    CHECK(text.find(good_secret) == std::string::npos);
    CHECK(text.find("MDEyMzQ1") == std::string::npos);
    CHECK(text.find("client_secret: \"********\"  # environment CORDGATE_DISCORD_CLIENT_SECRET") !=
          std::string::npos);
    CHECK(text.find("c.yaml:1:25") != std::string::npos);
    CHECK(text.find("level: debug  # flag --log-level") != std::string::npos);
    CHECK(text.find("format: text  # default") != std::string::npos);
    CHECK(text.find("and, for rules: guilds.members.read") != std::string::npos);
    CHECK(text.find("https://app.example.com/callback") != std::string::npos);
    // It is YAML that says the same again, but for what is masked.
    auto again = text;
    for (auto at = again.find("\"********\""); at != std::string::npos;
         at = again.find("\"********\""))
        again.replace(at, 10, "\"\"");
    const auto reloaded = load_text(again, environment);
    CHECK_FALSE(says(reloaded, "not valid YAML"));
    CHECK_FALSE(says(reloaded, "is not a setting"));
}
