#pragma once

#include <string>
#include <vector>

namespace cordgate::sim {

/// Everything that Discord's documentation says a guild may have.
inline const std::vector<std::string>& guild_features() {
    static const std::vector<std::string> names = {
        "ANIMATED_BANNER",
        "ANIMATED_ICON",
        "APPLICATION_COMMAND_PERMISSIONS_V2",
        "AUTO_MODERATION",
        "BANNER",
        "COMMUNITY",
        "CREATOR_MONETIZABLE_PROVISIONAL",
        "CREATOR_STORE_PAGE",
        "DEVELOPER_SUPPORT_SERVER",
        "DISCOVERABLE",
        "FEATURABLE",
        "INVITES_DISABLED",
        "INVITE_SPLASH",
        "MEMBER_VERIFICATION_GATE_ENABLED",
        "MORE_STICKERS",
        "NEWS",
        "PARTNERED",
        "PREVIEW_ENABLED",
        "RAID_ALERTS_DISABLED",
        "ROLE_ICONS",
        "ROLE_SUBSCRIPTIONS_AVAILABLE_FOR_PURCHASE",
        "ROLE_SUBSCRIPTIONS_ENABLED",
        "TICKETED_EVENTS_ENABLED",
        "VANITY_URL",
        "VERIFIED",
        "VIP_REGIONS",
        "WELCOME_SCREEN_ENABLED",
    };
    return names;
}

}  // namespace cordgate::sim
