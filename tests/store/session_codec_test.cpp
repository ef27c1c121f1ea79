#include <doctest/doctest.h>

#include <random>

#include "core/hex.hpp"
#include "store/session_codec.hpp"
#include "support.hpp"

using namespace cordgate;
using namespace cordgate::test;

namespace {

Session full_session() {
    Session session;
    session.handle = "handle";
    session.created_at = noon;
    session.last_seen_at = noon + 1ns;
    session.expires_at = noon + 2ns;
    session.client_address = "2001:db8::1";
    session.user_agent = "not \xff utf-8";
    session.profile = "staff";
    session.login_data = R"({"a":"b"})";
    session.state_digest = sha256("state");
    session.return_to = "/inbox?page=2";
    session.login_extras = Secret(R"({"guild":{"id":"1"}})");
    session.login_data_told = true;
    session.grant = {
        Secret("access"), Secret("refresh"), noon + 3ns, noon + 4ns, {"identify", "guilds"}
    };
    auto& user = session.identity.user;
    user.id = Snowflake(~std::uint64_t{0});
    user.username = "nelly";
    user.global_name = "Nelly \xf0\x9f\x98\x80";
    user.discriminator = "1337";
    user.avatar = "a_hash";
    user.locale = "en-US";
    user.email = "nelly@example.com";
    user.verified = false;
    user.raw = R"({"id":"1"})";
    session.identity.user_at = noon + 5ns;
    session.identity.guilds.emplace();
    for (std::uint64_t i = 1; i <= 200; ++i) {
        Guild guild;
        guild.id = Snowflake(i);
        guild.name = "guild " + std::to_string(i);
        if (i % 2 == 0) guild.icon = "icon";
        guild.owner = i == 3;
        guild.permissions = *discord::Permissions::parse("36893488147419103240");
        session.identity.guilds->push_back(guild);
    }
    session.identity.guilds_at = noon + 6ns;
    session.identity.members[Snowflake(1)].member = Member{
        "nick", {Snowflake(10), Snowflake(11)},
         true
    };
    session.identity.members[Snowflake(1)].at = noon + 7ns;
    session.identity.members[Snowflake(2)] = {std::nullopt, noon + 8ns};
    return session;
}

// A session as version 2 wrote it.
const std::string version_2 = *hex_decode(
    "02060000000000000068616e646c650080ac16a94312180180ac16a94312180280ac16a94312180b"
    "00000000000000323030313a6462383a3a3105000000000000006167656e74000000000000000000"
    "0000000000000006000000000000006469676573740d000000000000002f696e626f783f70616765"
    "3d3206000000000000006163636573730700000000000000726566726573680380ac16a943121804"
    "80ac16a9431218020000000000000008000000000000006964656e74696679060000000000000067"
    "75696c6473ffffffffffffffff05000000000000006e656c6c790001000000000000003001220000"
    "0000000000615f303132333435363738396162636465663031323334353637383961626364656600"
    "00010002000000000000007b7d000000000000000001010000000000000001000000000000000500"
    "0000000000006775696c6401040000000000000069636f6e01010000000000000038000000000000"
    "000002000000000000000100000000000000010104000000000000006e69636b0100000000000000"
    "0a00000000000000010200000000000000000780ac16a94312180600000000000000657874726173");

}  // namespace

TEST_CASE("a session is decoded as it was encoded, field by field") {
    const auto given = full_session();
    const auto decoded = codec::decode_session(codec::encode(given).reveal());
    REQUIRE(decoded);
    CHECK(decoded->handle == given.handle);
    CHECK(decoded->created_at == given.created_at);
    CHECK(decoded->last_seen_at == given.last_seen_at);
    CHECK(decoded->expires_at == given.expires_at);
    CHECK(decoded->client_address == given.client_address);
    CHECK(decoded->user_agent == given.user_agent);
    CHECK(decoded->profile == given.profile);
    CHECK(decoded->login_data == given.login_data);
    CHECK(decoded->state_digest == given.state_digest);
    CHECK(decoded->return_to == given.return_to);
    CHECK(decoded->login_extras.reveal() == given.login_extras.reveal());
    CHECK(decoded->login_data_told == given.login_data_told);
    CHECK(decoded->grant.access_token.reveal() == "access");
    CHECK(decoded->grant.refresh_token.reveal() == "refresh");
    CHECK(decoded->grant.issued_at == given.grant.issued_at);
    CHECK(decoded->grant.expires_at == given.grant.expires_at);
    CHECK(decoded->grant.scopes == given.grant.scopes);
    const auto& identity = decoded->identity;
    CHECK(identity.user.id == given.identity.user.id);
    CHECK(identity.user.username == given.identity.user.username);
    CHECK(identity.user.global_name == given.identity.user.global_name);
    CHECK(identity.user.discriminator == given.identity.user.discriminator);
    CHECK(identity.user.avatar == given.identity.user.avatar);
    CHECK(identity.user.locale == given.identity.user.locale);
    CHECK(identity.user.email == given.identity.user.email);
    CHECK(identity.user.verified == given.identity.user.verified);
    CHECK(identity.user.raw == given.identity.user.raw);
    CHECK(identity.user_at == given.identity.user_at);
    REQUIRE(identity.guilds);
    REQUIRE(identity.guilds->size() == 200);
    for (std::size_t i = 0; i < 200; ++i) {
        const auto& was = (*given.identity.guilds)[i];
        const auto& is = (*identity.guilds)[i];
        CHECK(is.id == was.id);
        CHECK(is.name == was.name);
        CHECK(is.icon == was.icon);
        CHECK(is.owner == was.owner);
        CHECK(is.permissions == was.permissions);
    }
    CHECK(identity.guilds_at == given.identity.guilds_at);
    REQUIRE(identity.members.size() == 2);
    const auto& member = identity.members.at(Snowflake(1)).member;
    REQUIRE(member);
    CHECK(member->nick == "nick");
    CHECK(member->roles == std::vector{Snowflake(10), Snowflake(11)});
    CHECK(member->pending);
    CHECK_FALSE(identity.members.at(Snowflake(2)).member.has_value());
    for (const auto& [guild, known] : given.identity.members) {
        CHECK(identity.members.at(guild).at == known.at);
    }
}

TEST_CASE("what was not known before it was encoded is not known after") {
    const auto decoded = codec::decode_session(codec::encode(Session{}).reveal());
    REQUIRE(decoded);
    CHECK_FALSE(decoded->identity.guilds.has_value());
    CHECK(decoded->identity.members.empty());
    CHECK_FALSE(decoded->identity.user.verified.has_value());
    CHECK_FALSE(decoded->identity.user.global_name.has_value());
    CHECK(decoded->grant.refresh_token.empty());

    Session in_no_guild;
    in_no_guild.identity.guilds.emplace();
    const auto second = codec::decode_session(codec::encode(in_no_guild).reveal());
    REQUIRE(second);
    REQUIRE(second->identity.guilds);
    CHECK(second->identity.guilds->empty());
}

TEST_CASE("times beyond all calendars decode to times one can calculate with") {
    Session session;
    session.created_at = TimePoint::min();
    session.expires_at = TimePoint::max();
    const auto decoded = codec::decode_session(codec::encode(session).reveal());
    REQUIRE(decoded);
    CHECK(noon - decoded->created_at > 24h);
    CHECK(decoded->expires_at - noon > 24h);
}

TEST_CASE("G26 a session that version 1, 2 or 3 wrote is read as it was") {
    auto bytes = version_2;
    std::string extras = "extras";
    SUBCASE("2") {}
    SUBCASE("1, which knew no login extras") {
        bytes[0] = '\1';
        bytes.resize(bytes.size() - 8 - extras.size());
        extras = "";
    }
    SUBCASE("3, where all members had one time, behind the last of them") {
        bytes = codec::encode(*codec::decode_session(version_2)).reveal();
        bytes.pop_back();  // login_data_told
        const auto time = *hex_decode("0780ac16a9431218");
        bytes.erase(bytes.find(time), time.size());
        bytes[0] = '\3';
    }
    const auto decoded = codec::decode_session(bytes);
    REQUIRE(decoded);
    CHECK(decoded->login_extras.reveal() == extras);
    CHECK(decoded->handle == "handle");
    CHECK(decoded->created_at == noon);
    CHECK(decoded->expires_at == noon + 2ns);
    CHECK(decoded->return_to == "/inbox?page=2");
    CHECK(decoded->grant.refresh_token.reveal() == "refresh");
    CHECK(decoded->grant.scopes == std::vector<std::string>{"identify", "guilds"});
    const auto& identity = decoded->identity;
    CHECK(identity.user.id == Snowflake(~std::uint64_t{0}));
    CHECK(identity.user.avatar == "a_0123456789abcdef0123456789abcdef");
    CHECK(identity.user.verified == false);
    CHECK(identity.user.raw == "{}");
    REQUIRE(identity.guilds);
    REQUIRE(identity.guilds->size() == 1);
    const auto& guild = identity.guilds->front();
    CHECK(guild.id == Snowflake(1));
    CHECK(guild.name == "guild");
    CHECK(guild.icon == "icon");
    CHECK(guild.owner);
    CHECK(guild.permissions.bits() == 8);
    CHECK(identity.members.at(Snowflake(1)).member->roles == std::vector{Snowflake(10)});
    CHECK_FALSE(identity.members.at(Snowflake(2)).member.has_value());
    CHECK(identity.members.at(Snowflake(1)).at == noon + 7ns);
    CHECK(identity.members.at(Snowflake(2)).at == noon + 7ns);
}

TEST_CASE("images and permissions come back as Discord wrote them, however that was") {
    const std::string hash = "0123456789abcdef0123456789abcdef";
    for (const auto& image :
         {hash, "a_" + hash, "b_" + hash, hash + "0", hash.substr(1), "A" + hash.substr(1),
          "a_" + hash.substr(2), std::string("a_"), std::string()}) {
        CAPTURE(image);
        Session session;
        session.identity.user.avatar = image;
        session.identity.guilds.emplace(1);
        session.identity.guilds->front().icon = image;
        const auto decoded = codec::decode_session(codec::encode(session).reveal());
        REQUIRE(decoded);
        CHECK(decoded->identity.user.avatar == image);
        CHECK(decoded->identity.guilds->front().icon == image);
    }
    for (const auto* text : {"0", "00", "8", "08", "127", "128", "18446744073709551615",
                             "18446744073709551616", "36893488147419103240"}) {
        CAPTURE(text);
        Session session;
        session.identity.guilds.emplace(1);
        session.identity.guilds->front().permissions = *discord::Permissions::parse(text);
        const auto decoded = codec::decode_session(codec::encode(session).reveal());
        REQUIRE(decoded);
        CHECK(decoded->identity.guilds->front().permissions.raw() == text);
    }
}

TEST_CASE("a guild takes some 30 bytes besides its name") {
    const auto size_with = [](std::size_t count) {
        std::vector<Guild> guilds(count);
        for (std::size_t i = 0; i < count; ++i) {
            guilds[i].id = Snowflake(1'100'000'000'000'000'000 + i);
            guilds[i].name = "A garden of names";
            guilds[i].icon = hex_encode(sha256("icon " + std::to_string(i)).substr(0, 16));
            guilds[i].permissions = discord::Permissions(2'248'473'465'835'073);
        }
        Session session;
        session.identity.guilds = std::move(guilds);
        return codec::encode(session).size();
    };
    CHECK((size_with(200) - size_with(0)) / 200 <= 17 + 34);
}

TEST_CASE("no foreign bytes decode, and none crash the decoder") {
    const auto session = full_session();
    const std::string whole = codec::encode(session).reveal();
    PendingLogin pending;
    pending.browser = sha256("b");
    pending.verifier = Secret("v");
    const std::string login = codec::encode(pending).reveal();

    SUBCASE("cut anywhere") {
        for (std::size_t size = 0; size < whole.size(); size += size < 600 ? 1 : 97) {
            CHECK_FALSE(codec::decode_session(std::string_view(whole).substr(0, size)));
        }
        for (std::size_t size = 0; size < login.size(); ++size) {
            CHECK_FALSE(codec::decode_login(std::string_view(login).substr(0, size)));
        }
    }
    SUBCASE("longer than it should be") {
        CHECK_FALSE(codec::decode_session(whole + "x"));
        CHECK_FALSE(codec::decode_login(login + "x"));
    }
    SUBCASE("of another version") {
        for (const char version : {'\0', '\6', '\x7f', '\xff'}) {
            CHECK_FALSE(codec::decode_session(version + whole.substr(1)));
            CHECK_FALSE(codec::decode_login(version + login.substr(1)));
        }
    }
    SUBCASE("one for the other") {
        CHECK_FALSE(codec::decode_session(login));
        CHECK_FALSE(codec::decode_login(whole));
    }
    SUBCASE("noise") {
        std::mt19937 random(20240229);
        for (int round = 0; round < 3000; ++round) {
            auto noise = whole.substr(0, 700);
            for (int i = 0; i < 8; ++i)
                noise[random() % noise.size()] = static_cast<char>(random());
            if (round % 2 == 0) noise += whole.substr(700);
            const auto decoded = codec::decode_session(noise);
            if (!decoded) CHECK(decoded.error().kind == ErrorKind::malformed_reply);
            (void)codec::decode_login(noise);
        }
    }
    SUBCASE("sizes that would need all memory") {
        std::string huge(1, '\1');
        huge += std::string(8, '\xff') + "x";
        CHECK_FALSE(codec::decode_session(huge));
        CHECK_FALSE(codec::decode_login(huge));
        huge[0] = '\3';
        CHECK_FALSE(codec::decode_session(huge));
        CHECK_FALSE(codec::decode_session("\3" + std::string(9, '\xff') + "\1x"));
    }
}
