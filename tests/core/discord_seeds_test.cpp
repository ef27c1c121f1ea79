#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <set>
#include <string>

#include "core/discord/json.hpp"
#include "core/discord/models_json.hpp"
#include "core/discord/webhook_json.hpp"

using namespace cordgate;

namespace {

const std::filesystem::path seeds = CORDGATE_SOURCE_DIR "/tests/fuzz/corpus/discord_json";

std::string read(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("fuzz seeds: M10 each model of Discord's has one that it accepts") {
    const discord::ImageSource images;
    const TimePoint now{std::chrono::hours(1)};
    const std::pair<const char*, std::function<bool(const std::string&)>> cases[] = {
        {"user",                 [](const auto& s) { return discord::parse_user(s).has_value(); }             },
        {"user details",
         [](const auto& s) { return discord::parse_user_details(s) && discord::parse_user(s); }               },
        {"user document",
         [&](const auto& s) { return discord::user_document(s, images).has_value(); }                         },
        {"guilds",
         [](const auto& s) {
             const auto g = discord::parse_guilds(s);
             return g && !g->empty();
         }                                                                                                    },
        {"guilds document",
         [&](const auto& s) {
             const auto d = discord::guilds_document(s, images);
             return d && d->size() > 4;
         }                                                                                                    },
        {"member",               [](const auto& s) { return discord::parse_member(s).has_value(); }           },
        {"member details",
         [](const auto& s) {
             const auto m = discord::parse_member_details(s);
             return m && m->timed_out_until && m->permissions;
         }                                                                                                    },
        {"member document",      [](const auto& s) { return discord::member_document(s).has_value(); }        },
        {"connections",
         [](const auto& s) {
             const auto c = discord::parse_connections(s);
             return c && !c->empty();
         }                                                                                                    },
        {"integrations",
         [](const auto& s) {
             const auto c = discord::parse_connections(s);
             return c && !c->empty() && !c->front().integrations.empty();
         }                                                                                                    },
        {"connections document",
         [](const auto& s) {
             const auto d = discord::connections_document(s);
             return d && d->size() > 4;
         }                                                                                                    },
        {"authorization",
         [](const auto& s) {
             const auto a = discord::parse_authorization(s);
             return a && a->user && a->expires_at;
         }                                                                                                    },
        {"application",
         [](const auto& s) {
             const auto a = discord::parse_application(s);
             return a && !a->redirect_uris.empty();
         }                                                                                                    },
        {"token",                [&](const auto& s) { return discord::parse_token_grant(s, now).has_value(); }},
        {"oauth error",          [](const auto& s) { return discord::parse_oauth_error(s).has_value(); }      },
        {"api error",
         [](const auto& s) {
             const auto e = discord::parse_api_error(s);
             return e && e->code == 10004;
         }                                                                                                    },
        {"rate limit",
         [](const auto& s) {
             const auto e = discord::parse_api_error(s);
             return e && e->retry_after;
         }                                                                                                    },
        {"join options",
         [](const auto& s) {
             const auto j = discord::parse_join_options(s);
             return j && !j->roles.empty();
         }                                                                                                    },
        {"event",
         [](const auto& s) {
             const auto e = discord::parse_webhook_event(s);
             return e && e->user;
         }                                                                                                    },
        {"ping",
         [](const auto& s) {
             const auto e = discord::parse_webhook_event(s);
             return e && e->is_ping;
         }                                                                                                    },
    };
    std::size_t files = 0;
    std::set<std::string> reached;
    for (const auto& entry : std::filesystem::directory_iterator(seeds)) {
        const auto text = read(entry.path());
        ++files;
        for (const auto& [model, accepts] : cases) {
            if (accepts(text)) reached.insert(model);
        }
    }
    CHECK(files >= 17);
    for (const auto& row : cases) {  // clang 14 captures no structured bindings
        const std::string model = row.first;
        CHECK_MESSAGE(reached.count(model) == 1, "no seed is a ", model);
    }
}
