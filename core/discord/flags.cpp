#include "core/discord/flags.hpp"

#include <cstddef>

namespace cordgate::discord {
namespace {

struct NamedBit {
    int bit;
    std::string_view name;
};

constexpr NamedBit user_flags[] = {
    {0,  "STAFF"                   },
    {1,  "PARTNER"                 },
    {2,  "HYPESQUAD"               },
    {3,  "BUG_HUNTER_LEVEL_1"      },
    {6,  "HYPESQUAD_ONLINE_HOUSE_1"},
    {7,  "HYPESQUAD_ONLINE_HOUSE_2"},
    {8,  "HYPESQUAD_ONLINE_HOUSE_3"},
    {9,  "PREMIUM_EARLY_SUPPORTER" },
    {10, "TEAM_PSEUDO_USER"        },
    {14, "BUG_HUNTER_LEVEL_2"      },
    {16, "VERIFIED_BOT"            },
    {17, "VERIFIED_DEVELOPER"      },
    {18, "CERTIFIED_MODERATOR"     },
    {19, "BOT_HTTP_INTERACTIONS"   },
    {22, "ACTIVE_DEVELOPER"        },
};

constexpr NamedBit member_flags[] = {
    {0,  "DID_REJOIN"                     },
    {1,  "COMPLETED_ONBOARDING"           },
    {2,  "BYPASSES_VERIFICATION"          },
    {3,  "STARTED_ONBOARDING"             },
    {4,  "IS_GUEST"                       },
    {5,  "STARTED_HOME_ACTIONS"           },
    {6,  "COMPLETED_HOME_ACTIONS"         },
    {7,  "AUTOMOD_QUARANTINED_USERNAME"   },
    {9,  "DM_SETTINGS_UPSELL_ACKNOWLEDGED"},
    {10, "AUTOMOD_QUARANTINED_GUILD_TAG"  },
};

template <std::size_t size>
std::vector<std::string_view> names_of(std::uint64_t flags, const NamedBit (&table)[size]) {
    std::vector<std::string_view> names;
    for (const auto& [bit, name] : table) {
        if (flags >> bit & 1) names.push_back(name);
    }
    return names;
}

}  // namespace

std::vector<std::string_view> user_flag_names(std::uint64_t flags) {
    return names_of(flags, user_flags);
}

std::vector<std::string_view> member_flag_names(std::uint64_t flags) {
    return names_of(flags, member_flags);
}

std::string_view premium_type_name(std::int64_t type) {
    constexpr std::string_view names[] = {"none", "nitro_classic", "nitro", "nitro_basic"};
    return type >= 0 && type < 4 ? names[type] : std::string_view();
}

}  // namespace cordgate::discord
