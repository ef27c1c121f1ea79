#include "cmd/discord-sim/demo_world.hpp"

namespace cordgate::sim {

World demo_world() {
    using namespace demo;
    World world;
    world.add_user({.id = fern,
                    .username = "fern",
                    .global_name = "Fern",
                    .avatar = "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
                    .email = "fern@example.com"});
    world.add_user({.id = robin,
                    .username = "robin.keeper",
                    .global_name = "Robin (staff)",
                    .avatar = "a_11112222333344445555666677778888",
                    .email = "robin@example.com",
                    .locale = "en-GB",
                    .mfa_enabled = true,
                    .connections = R"([{"id":"run&hide","name":"robin","type":"github",)"
                                   R"("verified":true,"friend_sync":false,"show_activity":true,)"
                                   R"("two_way_link":false,"visibility":1}])"});
    world.add_user({.id = pip, .username = "pip", .global_name = std::nullopt});
    world.add_user({.id = noor,
                    .username = "noor",
                    .global_name = "\xF0\x9F\x8C\x99 \xD9\x86\xD9\x88\xD8\xB1 \xF0\x9F\x8E\xB2",
                    .avatar = "22223333444455556666777788889999",
                    .email = "noor@example.com",
                    .locale = "fr"});
    world.add_user({.id = oldtimer,
                    .username = "Old Timer",
                    .global_name = std::nullopt,
                    .discriminator = "1337",
                    .email = "old.timer@example.com",
                    .verified = false});

    world.add_guild({
        .id = garden,
        .name = "The Walled Garden",
        .icon = "aaaabbbbccccddddeeeeffff00001111",
        .owner = oldtimer,
        .roles = {{garden_staff, "Staff", 1ULL << 5, 2}, {garden_member, "Gardener", 0, 1}},
        .features = {"COMMUNITY",                           "NEWS"                           }
    });
    world.add_guild({.id = lighthouse,
                     .name = "Lighthouse \xE2\x9C\xA8",
                     .icon = "a_bbbbccccddddeeeeffff000011112222",
                     .owner = robin,
                     .roles = {{lighthouse_keeper, "Keeper", 1ULL << 3, 1}}});
    world.add_guild({.id = workshop,
                     .name = "Workshop",
                     .owner = noor,
                     .roles = {{workshop_maker, "Maker", 0, 1}},
                     .has_bot = false});

    world.join(fern, garden, {.roles = {garden_member}, .nick = "Fern of the hedge"});
    world.join(fern, workshop, {.roles = {workshop_maker}});
    world.join(robin, garden,
               {
                   .roles = {garden_staff, garden_member}
    });
    world.join(robin, lighthouse);
    world.join(noor, lighthouse, {.roles = {lighthouse_keeper}});
    world.join(noor, workshop);
    world.join(oldtimer, garden);
    world.join(oldtimer, workshop, {.pending = true});
    return world;
}

}  // namespace cordgate::sim
