#include "core/discord/models_json.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "core/discord/flags.hpp"
#include "core/discord/json.hpp"

using namespace cordgate;
using namespace cordgate::discord;
using Json = nlohmann::json;

namespace {

const std::string hash = "0123456789abcdef0123456789abcdef";

// As /users/@me answers today, with keys that came and may go.
const std::string full_user =
    R"({"id":"80351110224678912","username":"nelly","discriminator":"1337",
    "global_name":"N\u202eelly \ud83d\ude00","avatar":"a_)" +
    hash + R"(","bot":false,"system":false,
    "mfa_enabled":true,"banner":null,"accent_color":16711680,"locale":"en-US","verified":true,
    "email":"nelly@example.com","flags":9007199254740993,"public_flags":64,"premium_type":2,
    "primary_guild":{"tag":"ABCD"},"clan":null,"new_key":[1,{"x":2}]})";

Json user(const std::string& json, ImageSource images = {}) {
    const auto document = user_document(json, images);
    REQUIRE(document);
    return Json::parse(*document);
}

}  // namespace

TEST_CASE("quartcord User: U1 U30 the document keeps every field that Discord sent") {
    const Json sent = Json::parse(full_user);
    const Json document = user(full_user);
    for (const auto& [name, value] : sent.items()) {
        CAPTURE(name);
        REQUIRE(document.contains(name));
        CHECK(document[name] == value);
    }
    const auto text = *user_document(full_user, {});
    for (const char c : text) CHECK((c >= 0x20 && c < 0x7f));
}

TEST_CASE("quartcord User: U1 a partial user is a user") {
    const auto document = user(R"({"id":"7","username":"a"})");
    CHECK(document["display_name"] == "a");
    CHECK(document["avatar_animated"] == false);
    CHECK(document.count("global_name") == 0);
    CHECK(document["flag_names"].empty());
}

TEST_CASE("quartcord User: U2 U3 G2 G3 the same id is the same, whatever else differs") {
    User a, b;
    a.id = b.id = Snowflake(7);
    b.username = "renamed";
    CHECK(a == b);
    b.id = Snowflake(8);
    CHECK(a != b);
    Guild g, h;
    g.id = h.id = Snowflake(7);
    h.name = "renamed";
    CHECK(g == h);
    h.id = Snowflake(8);
    CHECK(g != h);
}

TEST_CASE("quartcord User: U4 U6 U7 U8 U29 names in each generation of accounts") {
    struct Row {
        const char* json;
        const char* display_name;
        const char* tag;
    };
    const Row rows[] = {
        {R"({"id":"7","username":"a","global_name":"A","discriminator":"0"})",  "A", "a"     },
        {R"({"id":"7","username":"a","global_name":null,"discriminator":"0"})", "a", "a"     },
        {R"({"id":"7","username":"a","global_name":"","discriminator":""})",    "a", "a"     },
        {R"({"id":"7","username":"a","discriminator":"0001"})",                 "a", "a#0001"},
        {R"({"id":"7","username":"a"})",                                        "a", "a"     },
    };
    for (const auto& row : rows) {
        CAPTURE(row.json);
        CHECK(user(row.json)["display_name"] == row.display_name);
        CHECK(user(row.json)["tag"] == row.tag);
        CHECK(user(row.json)["username"] == "a");
    }
}

TEST_CASE("quartcord User: U5 G5 ids stay strings, with every digit, and tell their birthday") {
    const auto document = user(R"({"id":"18446744073709551615","username":"a"})");
    CHECK(document["id"] == "18446744073709551615");
    CHECK(user(R"({"id":"175928847299117063","username":"a"})")["created_at"] ==
          "2016-04-30T11:18:25.796Z");
}

TEST_CASE("quartcord User: U9 U19 U21 U28 pictures, with and without an avatar") {
    const auto moving = user(full_user);
    CHECK(moving["avatar_animated"] == true);
    CHECK(moving["avatar_url"] ==
          "https://cdn.discordapp.com/avatars/80351110224678912/a_" + hash + ".gif");
    CHECK(moving["default_avatar_url"] == "https://cdn.discordapp.com/embed/avatars/2.png");
    // quartcord took the discriminator for the hash when there was no key.
    const auto none = user(R"({"id":"80351110224678912","username":"a","discriminator":"1337"})");
    CHECK(none["avatar_animated"] == false);
    CHECK(none["avatar_url"] == none["default_avatar_url"]);
    const auto small = user(full_user, {
                                           "http://127.0.0.1:1", {ImageFormat::webp, 64}
    });
    CHECK(small["avatar_url"] ==
          "http://127.0.0.1:1/avatars/80351110224678912/a_" + hash + ".webp?animated=true&size=64");
}

TEST_CASE(
    "quartcord User: U10 U11 U12 U13 U14 U15 U16 what Discord did not say is absent, never a "
    "guess") {
    const auto all = parse_user_details(full_user);
    REQUIRE(all);
    CHECK_FALSE(all->bot);
    CHECK(all->mfa_enabled == true);
    CHECK(all->flags == 9007199254740993);
    CHECK(all->public_flags == 64u);
    CHECK(all->premium_type == 2);
    CHECK(all->accent_color == 16711680);
    CHECK(user(full_user)["flag_names"] == Json({"STAFF", "HYPESQUAD_ONLINE_HOUSE_1"}));
    CHECK(user(full_user)["locale"] == "en-US");

    const auto least = parse_user_details(R"({"id":"7","username":"a"})");
    REQUIRE(least);
    CHECK_FALSE(least->mfa_enabled);
    CHECK_FALSE(least->flags);
    CHECK_FALSE(least->premium_type);
    CHECK_FALSE(parse_user(R"({"id":"7","username":"a"})")->verified);
    CHECK_FALSE(parse_user(R"({"id":"7","username":"a","email":null})")->email);
    // What may decide access is of its type, or it is nothing.
    CHECK_FALSE(parse_user_details(R"({"mfa_enabled":"yes"})"));
    CHECK_FALSE(parse_user_details(R"({"bot":1})"));
    CHECK_FALSE(user_document(R"({"id":"7","username":"a","mfa_enabled":1})", {}));
    // The rest may be of any.
    CHECK_FALSE(parse_user_details(R"({"flags":-1,"premium_type":"2","banner":{}})")->flags);
}

TEST_CASE("quartcord User: B8 an error object is never a user, a guild, a member or a connection") {
    for (const char* json : {R"({"message":"Missing Access","code":50001})",
                             R"({"message":"You are being rate limited.","retry_after":1.5})",
                             R"({"error":"invalid_grant"})", "{}", "\"\"", "7", "<html>", ""}) {
        CAPTURE(json);
        CHECK_FALSE(user_document(json, {}));
        CHECK_FALSE(guilds_document(json, {}));
        CHECK_FALSE(member_document(json));
        CHECK_FALSE(connections_document(json));
        CHECK_FALSE(parse_authorization(json));
        CHECK_FALSE(parse_application(json));
    }
}

TEST_CASE("quartcord Guild: G1 G4 G6 G7 G8 G9 G11 G12 raw fields, icon and permissions by name") {
    const std::string sent = R"([{"id":"5","name":"\u202eFive","icon":"a_)" + hash +
                             R"(","banner":"x","owner":true,"permissions":"36",
        "features":["COMMUNITY","NEW"],"approximate_member_count":7},
        {"id":"6","name":"Six","icon":null,"owner":false,
         "permissions":"340282366920938463463374607431768211464"}])";
    const auto document = guilds_document(sent, {
                                                    "https://cdn", {ImageFormat::automatic, 256}
    });
    REQUIRE(document);
    const Json guilds = Json::parse(*document);
    const Json raw = Json::parse(sent);
    REQUIRE(guilds.size() == 2);
    for (std::size_t i = 0; i < 2; ++i) {
        for (const auto& [name, value] : raw[i].items()) CHECK(guilds[i][name] == value);
    }
    CHECK(guilds[0]["icon_url"] == "https://cdn/icons/5/a_" + hash + ".gif?size=256");
    CHECK(guilds[0]["permission_names"] == Json({"BAN_MEMBERS", "MANAGE_GUILD"}));
    CHECK(guilds[1]["icon_url"].is_null());
    CHECK(guilds[1]["permission_names"] == Json({"ADMINISTRATOR"}));  // wider than 64 bits
    CHECK(*guilds_document("null", {}) == "[]");
    CHECK(*guilds_document("[]", {}) == "[]");
}

TEST_CASE(
    "quartcord UserConnection: K1 K2 K3 K4 K5 K7 K8 K9 K10 K12 K13 what is connected, and who sees "
    "it") {
    const std::string sent = R"([{"id":"run&hide","name":null,"type":"steam","verified":true,
        "friend_sync":true,"show_activity":true,"two_way_link":true,"visibility":1,
        "metadata":{"x":"y"}},{"id":"7","type":"something-new","revoked":true,"visibility":0}])";
    const auto connections = parse_connections(sent);
    REQUIRE(connections);
    const auto& first = connections->at(0);
    CHECK(first.id == "run&hide");
    CHECK_FALSE(first.name);
    CHECK(first.type == "steam");
    CHECK(first.verified);
    CHECK(first.friend_sync);
    CHECK(first.show_activity);
    CHECK(first.two_way_link);
    CHECK(first.is_visible());
    CHECK_FALSE(first.revoked);
    CHECK(connections->at(1).revoked);
    CHECK_FALSE(connections->at(1).verified);
    CHECK_FALSE(connections->at(1).is_visible());
    const Json document = Json::parse(*connections_document(sent));
    CHECK(document[0]["visible"] == true);
    CHECK(document[0]["metadata"]["x"] == "y");
    CHECK(document[1]["visible"] == false);
    CHECK(*connections_document("null") == "[]");
    for (const char* wrong : {R"([{"id":"7","type":"steam","verified":"yes"}])", R"([{"id":"7"}])",
                              R"([{"type":"steam"}])", R"([{"id":7,"type":"steam"}])", "[7]",
                              R"([{"id":"7","type":"steam","revoked":0}])"}) {
        CAPTURE(wrong);
        CHECK_FALSE(parse_connections(wrong));
    }
}

TEST_CASE(
    "quartcord Integration: N1 N2 N3 N4 N5 N6 N7 N8 N9 N10 N11 K6 B17 nothing in it ends the "
    "call") {
    const auto connections = parse_connections(R"([{"id":"7","type":"twitch","integrations":[
        {"id":"twitch-partners","type":"twitch","role_id":null,"account":{"id":"x","name":null}},
        {"id":"5","name":"n","type":"youtube","enabled":true,"syncing":false,"role_id":"9",
         "expire_behavior":1,"expire_grace_period":7,"synced_at":"2024-10-18T14:42:53+00:00"},
        {"id":5,"role_id":9,"enabled":"yes","account":[]},null,"x"]},
        {"id":"8","type":"x","integrations":null},{"id":"9","type":"x","integrations":{}}])");
    REQUIRE(connections);
    const auto& found = connections->at(0).integrations;
    REQUIRE(found.size() == 3);
    CHECK(found[0].id == "twitch-partners");
    CHECK_FALSE(found[0].role_id);
    CHECK(found[0].account->id == "x");
    CHECK_FALSE(found[0].account->name);
    CHECK(found[1].name == "n");
    CHECK(found[1].type == "youtube");
    CHECK(found[1].enabled == true);
    CHECK(found[1].syncing == false);
    CHECK(found[1].role_id == "9");
    CHECK(found[1].expire_behavior == 1);
    CHECK(found[1].expire_grace_period == 7);
    CHECK(found[1].synced_at == "2024-10-18T14:42:53+00:00");
    CHECK(found[2].id == "5");
    CHECK_FALSE(found[2].role_id);
    CHECK_FALSE(found[2].enabled);
    CHECK_FALSE(found[2].account);
    CHECK(connections->at(1).integrations.empty());
}

TEST_CASE("Member: dates, boosts, time-outs and flags") {
    const std::string sent = R"({"roles":["8"],"nick":null,"avatar":null,"pending":false,
        "joined_at":"2015-04-26T06:26:56.936000+00:00","premium_since":null,"flags":17,
        "communication_disabled_until":"2024-10-18T14:42:53+00:00","permissions":"32","deaf":true})";
    const auto member = parse_member_details(sent);
    REQUIRE(member);
    CHECK(member->joined_at);
    CHECK_FALSE(member->premium_since);
    CHECK(member->timed_out_until == TimePoint(std::chrono::seconds(1'729'262'573)));
    CHECK(member->permissions->bits() == 32);
    CHECK(member->deaf);
    const Json document = Json::parse(*member_document(sent));
    CHECK(document["flag_names"] == Json({"DID_REJOIN", "IS_GUEST"}));
    CHECK(document["permission_names"] == Json({"MANAGE_GUILD"}));
    CHECK(document["roles"] == Json({"8"}));
    CHECK_FALSE(parse_member_details(R"({"roles":[],"permissions":"all"})"));
}

TEST_CASE("quartcord Authorization: C12 scopes and end of a token") {
    const auto found = parse_authorization(R"({"application":{"id":"3"},"scopes":["identify","x"],
        "expires":"2024-10-18T14:42:53.000000+00:00","user":{"id":"7","username":"a"}})");
    REQUIRE(found);
    CHECK(found->application == Snowflake(3));
    CHECK(found->scopes == std::vector<std::string>{"identify", "x"});
    CHECK(found->expires_at == TimePoint(std::chrono::seconds(1'729'262'573)));
    CHECK(found->user == Snowflake(7));
    CHECK_FALSE(parse_authorization(R"({"application":{"id":"3"},"scopes":[]})")->user);
    CHECK_FALSE(parse_authorization(R"({"application":{"id":3},"scopes":[]})"));
    CHECK_FALSE(parse_authorization(R"({"application":{"id":"3"},"scopes":[],"user":{"id":7}})"));
    const auto application = parse_application(
        R"({"id":"3","name":"n","verify_key":"ab","redirect_uris":["https://a/callback",7]})");
    REQUIRE(application);
    CHECK(application->redirect_uris == std::vector<std::string>{"https://a/callback"});
}

TEST_CASE("quartcord U15 U16: flags have Discord's names") {
    CHECK(user_flag_names((1ULL << 63) | 1 | (1 << 22)) ==
          std::vector<std::string_view>{"STAFF", "ACTIVE_DEVELOPER"});
    CHECK(user_flag_names(0).empty());
    CHECK(member_flag_names(1 << 4) == std::vector<std::string_view>{"IS_GUEST"});
    CHECK(premium_type_name(2) == "nitro");
    CHECK(premium_type_name(-1).empty());
    CHECK(premium_type_name(4).empty());
}

TEST_CASE("quartcord join: U18 only what may be set is sent") {
    const auto options =
        parse_join_options(R"({"nick":"N\u00e4lly","roles":["8","9"],"mute":true,"deaf":null})");
    REQUIRE(options);
    const Json body = Json::parse(join_body("the-token", *options));
    CHECK(body == Json::parse(R"({"access_token":"the-token","nick":"N\u00e4lly",
                                  "roles":["8","9"],"mute":true})"));
    CHECK(Json::parse(join_body("t", {})).size() == 1);
    CHECK(parse_join_options(""));
    CHECK(parse_join_options("{}"));
    for (const char* wrong :
         {"[]", "x", R"({"access_token":"other"})", R"({"roles":[8]})", R"({"roles":"8"})",
          R"({"mute":"yes"})", R"({"nick":7})", R"({"flags":4})", R"({"nick":"a","nick":"b"})"}) {
        CAPTURE(wrong);
        const auto refused = parse_join_options(wrong);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().kind == ErrorKind::bad_request);
        CHECK(refused.error().source == ErrorSource::client);
    }
}
