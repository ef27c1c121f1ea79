#include "config/report.hpp"
#include "support.hpp"

using namespace cordgate::config;

// load() answers whatever a file holds: each problem has a place, and nothing
// is thrown. The sample walks the whole file, the same way each time.
TEST_CASE("no changed byte of the example makes load() throw (O11)") {
    const auto text = example_yaml();
    constexpr char bytes[] = {'\0', '\t', '\n', ' ', '"', '\'', '#', '&',   '*',
                              '-',  ':',  '[',  ']', '{', '}',  '|', '>',   '%',
                              '!',  '@',  '?',  ',', '0', '9',  'a', '\xff'};
    std::size_t next = 0;
    for (std::size_t at = 0; at < text.size(); at += 9) {
        auto changed = text;
        changed[at] = bytes[next++ % sizeof bytes];
        Loaded loaded;
        CAPTURE(at);
        CHECK_NOTHROW(loaded = load_text(changed, {}));
        for (const auto& problem : loaded.problems) {
            CHECK_FALSE(problem.where.empty());
            CHECK(problem.to_string().find('\n') == std::string::npos);
        }
        // Without the secret's file there is always something to say.
        CHECK_FALSE(loaded.problems.empty());
    }
    for (std::size_t length = 0; length < text.size(); length += 97)
        CHECK_NOTHROW((void)load_text(text.substr(0, length), {}));
}
