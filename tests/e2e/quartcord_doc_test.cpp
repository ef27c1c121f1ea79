#include <doctest/doctest.h>

#include <sys/wait.h>

#include <cstdio>
#include <fstream>
#include <iterator>

#include "tests/support/internal.hpp"

// What docs/quartcord.md tells people to run, run.

using namespace cordgate;
using namespace cordgate::test;
namespace demo = cordgate::sim::demo;

namespace {

std::string page() {
    std::ifstream in(std::string(CORDGATE_SOURCE_DIR) + "/docs/quartcord.md");
    return {std::istreambuf_iterator<char>(in), {}};
}

/// The blocks of code in `language`.
std::vector<std::string> blocks(const std::string& language) {
    const auto text = page();
    std::vector<std::string> out;
    const auto begin = "```" + language + "\n";
    for (auto at = text.find(begin); at != std::string::npos; at = text.find(begin, at + 1)) {
        const auto from = at + begin.size();
        out.push_back(text.substr(from, text.find("\n```", from) + 1 - from));
    }
    return out;
}

struct Ran {
    int code = -1;
    std::string output;
};

/// `sh -c command`, with what it says on both streams.
Ran shell(const std::string& command) {
    Ran out;
    FILE* const pipe = ::popen((command + " 2>&1").c_str(), "r");
    REQUIRE(pipe);
    char piece[4096];
    while (const auto size = std::fread(piece, 1, sizeof piece, pipe))
        out.output.append(piece, size);
    const int status = ::pclose(pipe);
    out.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return out;
}

}  // namespace

TEST_CASE("docs/quartcord.md: every line of shell, Python and JavaScript does what it says") {
    Stage stage({.login = "scopes: [identify, email, guilds, guilds.members.read, connections, "
                          "guilds.join]",
                 .discord = bot_token_setting,
                 .internal = "expose_tokens: true"});
    auto robin = stage.browser_of(demo::robin);
    const auto environment =
        "export INTERNAL=http://127.0.0.1:" + std::to_string(stage.gate().internal_port()) +
        " APP=" + stage.home() + " GUILD=" + demo::garden.to_string() +
        " HANDLE=" + handle_of(stage, robin) + "; ";

    int lines = 0;
    for (const auto& block : blocks("sh")) {
        for (std::size_t at = 0; at < block.size();) {
            const auto end = block.find('\n', at);
            const auto line = block.substr(at, end - at);
            at = end + 1;
            INFO(line);
            const auto ran = shell(environment + line);
            INFO(ran.output);
            CHECK(ran.code == 0);
            ++lines;
        }
    }
    CHECK(lines >= 10);

    const auto python = blocks("python");
    const auto javascript = blocks("js");
    REQUIRE(python.size() == 2);  // the first compares two applications
    REQUIRE(javascript.size() == 1);
    stage.folder.write("example.py", python[1]);
    stage.folder.write("example.js", javascript[0]);
    for (const auto* command : {"python3 example.py", "node example.js"}) {
        INFO(command);
        const auto ran = shell(environment + "cd " + stage.folder.path().string() + "; " + command);
        INFO(ran.output);
        CHECK(ran.code == 0);
        CHECK(ran.output.find("Robin (staff)") != std::string::npos);
        CHECK(ran.output.find("The Walled Garden") != std::string::npos);
    }
}

TEST_CASE("quartcord H1: docs/quartcord.md names every item, also what needs no counterpart") {
    const auto text = page();
    const std::pair<char, int> families[] = {
        {'C', 23},
        {'H', 4 },
        {'G', 12},
        {'U', 30},
        {'N', 11},
        {'K', 13},
        {'D', 1 },
        {'E', 4 },
        {'B', 21}
    };
    for (const auto& [letter, count] : families) {
        for (int number = 1; number <= count; ++number) {
            const auto row = letter + std::to_string(number);
            CAPTURE(row);
            bool found = false;
            for (auto at = text.find(row); at != std::string::npos && !found;
                 at = text.find(row, at + 1)) {
                const char next = at + row.size() < text.size() ? text[at + row.size()] : ' ';
                found = !std::isalnum(static_cast<unsigned char>(next));
            }
            CHECK(found);
        }
    }
    for (const char* row :
         {"C15a", "C15b", "C15c", "C15d", "C15e", "E2a", "E2b", "E2c", "E2d", "E2e"}) {
        CAPTURE(std::string(row));
        CHECK(text.find(row) != std::string::npos);
    }
}
