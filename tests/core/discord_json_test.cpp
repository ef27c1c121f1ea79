#include "core/discord/json.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <string_view>

using namespace cordgate;
using namespace cordgate::discord;
using namespace std::chrono_literals;

namespace {

const TimePoint noon = TimePoint(std::chrono::hours(24 * 365 * 55));

std::string nested(std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
}

std::string token_json(std::string_view expires_in, std::string_view type = "Bearer") {
    return R"({"access_token":"at","token_type":")" + std::string(type) + R"(")" +
           (expires_in.empty() ? "" : ",\"expires_in\":" + std::string(expires_in)) + "}";
}

}  // namespace

TEST_CASE("parse_user: reads what Discord sends, with every digit of the id") {
    const auto user = parse_user(R"({"id":"18446744073709551615","username":"nelly",
        "discriminator":"0","global_name":"Nelly \ud83d\ude00","avatar":"a_0123","locale":"de",
        "email":"n@example.com","verified":true,"flags":64,"new_key":{"x":[1]},"bot":true})");
    REQUIRE(user);
    CHECK(user->id.to_string() == "18446744073709551615");
    CHECK(user->username == "nelly");
    CHECK(user->global_name == "Nelly \xf0\x9f\x98\x80");
    CHECK(user->display_name() == *user->global_name);
    CHECK(user->avatar == "a_0123");
    CHECK(user->locale == "de");
    CHECK(user->email == "n@example.com");
    CHECK(user->verified == true);
    CHECK(user->raw.find("new_key") != std::string::npos);
}

TEST_CASE("parse_user: null and missing keys are absent, not empty") {
    const auto user =
        parse_user(R"({"id":"1","username":"a","global_name":null,"avatar":null,"email":null})");
    REQUIRE(user);
    CHECK_FALSE(user->global_name);
    CHECK_FALSE(user->avatar);
    CHECK_FALSE(user->email);
    CHECK_FALSE(user->verified);
    CHECK_FALSE(user->locale);
    CHECK(user->discriminator == "0");
    CHECK(user->display_name() == "a");
}

TEST_CASE("parse_user: F24 M10 M11 M13 oauth2-proxy #13 what is not a sound user is malformed") {
    const std::string rows[] = {
        "",
        "{",
        "null",
        "[]",
        "\"x\"",
        "{}",
        R"({"id":1,"username":"a"})",  // an id as a number
        R"({"id":80351110224678912,"username":"a"})",
        R"({"id":"12a","username":"a"})",
        R"({"id":"-1","username":"a"})",
        R"({"id":"01","username":"a"})",
        R"({"id":"18446744073709551616","username":"a"})",  // 2^64
        R"({"id":"","username":"a"})",
        R"({"id":{"id":"1"},"username":"a"})",
        R"({"username":"a"})",
        R"({"id":"1"})",
        R"({"id":"1","username":null})",
        R"({"id":"1","username":""})",
        R"({"id":"1","username":7})",
        R"({"id":"1","username":"a","verified":"yes"})",
        R"({"id":"1","username":"a","email":["x@y"]})",
        R"({"id":"1","id":"2","username":"a"})",  // duplicate keys
        R"({"id":"1","username":"a","x":{"y":1,"y":2}})",
        R"({"id":"1","username":"a",})",
        R"({"id":"1","username":"a"} x)",
        R"({"id":"1","username":"a","x":NaN})",
        R"({"id":"1","username":"a","x":1e999})",
        R"({"id":"1","username":"\ud800"})",              // a lone surrogate
        "{\"id\":\"1\",\"username\":\"\xff\"}",           // not UTF-8
        "{\"id\":\"1\",\"username\":\"a\nb\"}",           // a raw control
        "\xef\xbb\xbf{\"id\":\"1\",\"username\":\"a\"}",  // byte order mark
        std::string("{\0\"\0i\0", 6),                     // UTF-16
        R"({"id":"1","username":")" + std::string(600, 'x') + "\"}",
        R"({"id":"1","username":"a","x":)" + nested(32) + "}",
        nested(100000),
        std::string(100000, '['),
        std::string(100000, '{'),
    };
    for (const auto& json : rows) {
        CAPTURE(json.substr(0, 80));
        const auto user = parse_user(json);
        REQUIRE_FALSE(user);
        CHECK(user.error().kind == ErrorKind::malformed_reply);
        CHECK(user.error().source == ErrorSource::discord);
    }
}

// The cases "n_..." of JSONTestSuite (Nicolas Seriot, MIT): what no parser may take.
TEST_CASE(
    "M10 JSONTestSuite: what is no JSON is neither JSON nor a model nor an error of Discord's") {
    const std::string rows[] = {
        R"j([1 true])j",
        R"j([a)j",
        R"j(["": 1])j",
        R"j([""],)j",
        R"j([,1])j",
        R"j([1,,2])j",
        R"j(["x",,])j",
        R"j(["x"]])j",
        R"j(["",])j",
        R"j(["x")j",
        R"j([x)j",
        R"j([3[4]])j",
        R"j([1:2])j",
        R"j([,])j",
        R"j([-])j",
        R"j([   , ""])j",
        R"j([1,)j",
        R"j([1,])j",
        R"j([1,,])j",
        R"j([*])j",
        R"j(["")j",
        R"j([{})j",
        R"j([fals])j",
        R"j([nul])j",
        R"j([tru])j",
        R"j([++1234])j",
        R"j([+1])j",
        R"j([+Inf])j",
        R"j([-01])j",
        R"j([-1.0.])j",
        R"j([-2.])j",
        R"j([-NaN])j",
        R"j([.-1])j",
        R"j([.2e-3])j",
        R"j([0.1.2])j",
        R"j([0.3e+])j",
        R"j([0.3e])j",
        R"j([0.e1])j",
        R"j([0E+])j",
        R"j([0E])j",
        R"j([0e+])j",
        R"j([0e])j",
        R"j([1.0e+])j",
        R"j([1.0e-])j",
        R"j([1.0e])j",
        R"j([1 000.0])j",
        R"j([1eE2])j",
        R"j([2.e+3])j",
        R"j([2.e-3])j",
        R"j([2.e3])j",
        R"j([9.e+])j",
        R"j([Inf])j",
        R"j([NaN])j",
        R"j([1+2])j",
        R"j([0x1])j",
        R"j([0x42])j",
        R"j([Infinity])j",
        R"j([0e+-1])j",
        R"j([-123.123foo])j",
        R"j([-Infinity])j",
        R"j([-foo])j",
        R"j([- 1])j",
        R"j([-012])j",
        R"j([-.123])j",
        R"j([-1x])j",
        R"j([1ea])j",
        R"j([1.])j",
        R"j([.123])j",
        R"j([1.2a-3])j",
        R"j([1.8011670033376514H-308])j",
        R"j([012])j",
        R"j(["x", truth])j",
        R"j({[: "x"})j",
        R"j({"x", null})j",
        R"j({"x"::"b"})j",
        R"j({"a":"a" 123})j",
        R"j({key: 'value'})j",
        R"j({"a" b})j",
        R"j({:"b"})j",
        R"j({"a" "b"})j",
        R"j({"a":)j",
        R"j({"a")j",
        R"j({1:1})j",
        R"j({9999E9999:1})j",
        R"j({null:null,null:null})j",
        R"j({"id":0,,,,,})j",
        R"j({'a':0})j",
        R"j({"id":0,})j",
        R"j({"a":"b"}/**/)j",
        R"j({"a":"b"}/**//)j",
        R"j({"a":"b"}//)j",
        R"j({"a":"b"}/)j",
        R"j({"a":"b",,"c":"d"})j",
        R"j({a: "b"})j",
        R"j({"a":"a)j",
        R"j({ "foo" : "bar", "a" })j",
        R"j({"a":"b"}#)j",
        R"j( )j",
        R"j(["\uD800\"])j",
        R"j(["\uD800\u"])j",
        R"j(["\uD800\u1"])j",
        R"j(["\uD800\u1x"])j",
        R"j(["\a"])j",
        R"j(["\x00"])j",
        R"j(["\\\"])j",
        R"j(["\"])j",
        R"j(["\u00A"])j",
        R"j(["\uD834\uDd"])j",
        R"j(["\uD800\uD800\x"])j",
        R"j(["\uqqqq"])j",
        R"j([\u0020"asdf"])j",
        R"j([\n])j",
        R"j(")j",
        R"j(["\)j",
        R"j(['single quote'])j",
        R"j(abc)j",
        R"j(["\UA66D"])j",
        R"j(""x)j",
        R"j(<.>)j",
        R"j([<null>])j",
        R"j([1]x)j",
        R"j([1]])j",
        R"j(["asd])j",
        R"j([True])j",
        R"j(1])j",
        R"j({"x": true,)j",
        R"j([][])j",
        R"j(])j",
        R"j([)j",
        R"j(2@)j",
        R"j({}})j",
        R"j({"":)j",
        R"j({"a":/*comment*/"b"})j",
        R"j({"a": true} "x")j",
        R"j([')j",
        R"j([,)j",
        R"j({,)j",
        R"j({])j",
        R"j({')j",
        R"j([{)j",
        R"j(,)j",
        R"j({"[)j",
        R"j({"a)j",
        R"j(["\{["\{["\{["\{)j",
        R"j(*)j",
        R"j({"a":"b"}#{})j",
        R"j([1)j",
        R"j([ false, nul)j",
        R"j([ true, fals)j",
        R"j([ false, tru)j",
        R"j({"asd":"asd")j",
        R"j({"x":"\u"})j",
        "[\"a\xe5\"]",
        "[\xff]",
        "[123\xe5]",
        "[1e1\xe5]",
        "[0\xe5]",
        "[\xe5]",
        "{\"\xb9\":\"0\",}",
        "[\"\\u\xe5\"]",
        "[\"\\\xe5\"]",
        "\xef\xbb{}",
        "\xef\xbb\xbf",
        "\xe5",
        "\xe2\x81\xa0",
        "[\"new\nline\"]",
        "[\"\t\"]",
        "[\"\x1f\"]",
        "[\va]",
        "[\f]",
        "[\xef\xbc\x91]",
        "{\xf0\x9f\x87\xa8\xf0\x9f\x87\xad}",
        std::string("123\0", 4),
        std::string("[\"a\0a\"]", 7),
        std::string("[\0]", 3),
    };
    for (const auto& row : rows) {
        CAPTURE(row);
        CHECK_FALSE(is_json(row));
        CHECK_FALSE(parse_user(row));
        CHECK_FALSE(parse_guilds(row));
        CHECK_FALSE(parse_member(row));
        CHECK_FALSE(parse_token_grant(row, {}));
        CHECK_FALSE(parse_oauth_error(row));
        CHECK_FALSE(parse_api_error(row));
        // Nor does it become one inside of something sound.
        CHECK_FALSE(parse_user(R"({"id":"1","username":"a","x":)" + row + "}"));
    }
    const std::string user = R"({"id":"1","username":"a"})";
    CHECK(parse_user(user));
    CHECK_FALSE(parse_user(user + '\0'));
    CHECK_FALSE(parse_user(user + '\0' + "behind"));
}

TEST_CASE("parse_guilds: reads owner and permissions, and nothing else decides") {
    const auto guilds = parse_guilds(R"([
        {"id":"5","name":"Five","icon":null,"owner":true,"permissions":"9007199254740993"},
        {"id":"6","name":"Six","permissions":"340282366920938463463374607431768211456"},
        {"id":"7","owner":null,"permissions":null,"features":["X"]}])");
    REQUIRE(guilds);
    REQUIRE(guilds->size() == 3);
    CHECK(guilds->at(0).owner);
    CHECK(guilds->at(0).permissions.raw() == "9007199254740993");
    CHECK_FALSE(guilds->at(1).owner);
    CHECK_FALSE(guilds->at(2).owner);
    CHECK(guilds->at(2).permissions.bits() == 0);
    CHECK(guilds->at(2).name.empty());
}

TEST_CASE("parse_guilds: null is an empty list; 200 and 201 guilds are all there (M24)") {
    REQUIRE(parse_guilds("null"));
    CHECK(parse_guilds("null")->empty());
    for (const std::size_t count : {0u, 200u, 201u}) {
        std::string json = "[";
        for (std::size_t i = 0; i < count; ++i) {
            json += (i ? "," : "") + ("{\"id\":\"" + std::to_string(i + 1) + "\"}");
        }
        const auto guilds = parse_guilds(json + "]");
        REQUIRE(guilds);
        CHECK(guilds->size() == count);
    }
}

TEST_CASE("parse_guilds: M11 oauth2-proxy #13 a wrong type never becomes a right") {
    const std::string_view rows[] = {
        "{}",
        "[null]",
        "[[]]",
        R"([{"id":5}])",
        R"([{"name":"x"}])",
        R"([{"id":"5","owner":"true"}])",
        R"([{"id":"5","owner":1}])",
        R"([{"id":"5","permissions":8}])",
        R"([{"id":"5","permissions":"0x8"}])",
        R"([{"id":"5","permissions":"-1"}])",
        R"([{"id":"5","permissions":""}])",
        R"([{"id":"5","owner":false,"owner":true}])",
        R"([{"id":"5","icon":1}])",
    };
    for (const auto json : rows) {
        CAPTURE(json);
        const auto guilds = parse_guilds(json);
        REQUIRE_FALSE(guilds);
        CHECK(guilds.error().kind == ErrorKind::malformed_reply);
    }
}

TEST_CASE("parse_member: roles are required and are ids") {
    const auto member = parse_member(
        R"({"nick":"N","roles":["7","8"],"pending":true,"user":{"id":"1"},"flags":0})");
    REQUIRE(member);
    CHECK(member->nick == "N");
    CHECK(member->roles == std::vector{Snowflake(7), Snowflake(8)});
    CHECK(member->pending);

    const std::string_view rows[] = {
        "null",
        "[]",
        "{}",
        R"({"roles":null})",
        R"({"roles":"7"})",
        R"({"roles":[7]})",
        R"({"roles":["x"]})",
        R"({"roles":[],"pending":1})",
        R"({"roles":[],"nick":1})",
    };
    for (const auto json : rows) {
        CAPTURE(json);
        CHECK_FALSE(parse_member(json));
    }
}

TEST_CASE("parse_token_grant: F23 expires_in in every form") {
    struct Row {
        std::string_view expires_in;
        std::chrono::seconds life;
    };
    const Row rows[] = {
        {"604800",               604800s},
        {"604800.9",             604800s},
        {"",                     3600s  },
        {"null",                 3600s  },
        {"\"604800\"",           3600s  },
        {"0",                    3600s  },
        {"-5",                   3600s  },
        {"1e308",                3600s  },
        {"9223372036854775808",  3600s  },
        {"99999999999999999999", 3600s  },
        {"[]",                   3600s  },
    };
    for (const auto& row : rows) {
        CAPTURE(row.expires_in);
        const auto grant = parse_token_grant(token_json(row.expires_in), noon);
        REQUIRE(grant);
        CHECK(grant->issued_at == noon);
        CHECK(grant->expires_at == noon + row.life);
    }
}

TEST_CASE("parse_token_grant: F22 F23 the type is Bearer in any case, scopes are as granted") {
    for (const auto type : {"Bearer", "bearer", "BEARER"}) {
        CHECK(parse_token_grant(token_json("1", type), noon));
    }
    const auto grant = parse_token_grant(
        R"({"access_token":"a","refresh_token":"r","token_type":"Bearer","scope":" guilds  identify ",
            "guild":{"id":"1"}})",
        noon);
    REQUIRE(grant);
    CHECK(grant->scopes == std::vector<std::string>{"guilds", "identify"});
    CHECK(grant->refresh_token.equals("r"));
}

TEST_CASE("parse_token_grant: what could not be sent as a header is malformed") {
    const std::string_view rows[] = {
        "",
        "[]",
        "null",
        "{}",
        R"({"access_token":"a"})",
        R"({"access_token":"a","token_type":"mac"})",
        R"({"access_token":"a","token_type":null})",
        R"({"access_token":"","token_type":"Bearer"})",
        R"({"access_token":5,"token_type":"Bearer"})",
        R"({"access_token":"a\r\nX: 1","token_type":"Bearer"})",
        R"({"access_token":"a b","token_type":"Bearer"})",
        R"({"access_token":"\u00e9","token_type":"Bearer"})",
        R"({"access_token":"a","refresh_token":"\u0000","token_type":"Bearer"})",
        R"({"access_token":"a","refresh_token":7,"token_type":"Bearer"})",
        R"({"access_token":"a","scope":["identify"],"token_type":"Bearer"})",
        R"({"access_token":"a","access_token":"b","token_type":"Bearer"})",
    };
    for (const auto json : rows) {
        CAPTURE(json);
        const auto grant = parse_token_grant(json, noon);
        REQUIRE_FALSE(grant);
        CHECK(grant.error().kind == ErrorKind::malformed_reply);
        CHECK(grant.error().detail.find("X: 1") == std::string::npos);
    }
}

TEST_CASE("parse_oauth_error and parse_api_error: only their own shapes") {
    CHECK(parse_oauth_error(R"({"error":"invalid_grant","error_description":"x"})") ==
          "invalid_grant");
    CHECK_FALSE(parse_oauth_error(R"({"error":5})"));
    CHECK_FALSE(parse_oauth_error("<html>"));

    const auto unknown_guild = parse_api_error(R"({"message":"Unknown Guild","code":10004})");
    REQUIRE(unknown_guild);
    CHECK(unknown_guild->code == 10004);
    const auto limited = parse_api_error(
        R"({"message":"You are being rate limited.","retry_after":64.57,"global":true})");
    REQUIRE(limited);
    CHECK(limited->retry_after == doctest::Approx(64.57));
    CHECK(limited->global);
    CHECK_FALSE(parse_api_error(R"({"message":"x","retry_after":"5"})")->retry_after);
    for (const auto json : {"", "null", "[]", "{}", R"({"code":10004})",
                            R"({"message":"m","code":"10004"})", "error code: 1015"}) {
        CAPTURE(json);
        CHECK_FALSE(parse_api_error(json));
    }
}

TEST_CASE("is_json: one value, whole and within limits, J24") {
    for (const auto text : {"{}", "[1,2]", "null", "\"x\"", "1", R"({"a":{"a":1}})"}) {
        CHECK(is_json(text));
    }
    for (const auto text :
         {"", " ", "{} {}", "{'a':1}", R"({"a":1,"a":2})", "nul", "[1,]", "\xff"}) {
        CHECK_FALSE(is_json(text));
    }
    CHECK(is_json(nested(32)));
    CHECK_FALSE(is_json(nested(33)));
}
