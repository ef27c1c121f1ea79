#include "core/crypto.hpp"

#include <doctest/doctest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <functional>
#include <set>
#include <stdexcept>

#include "core/ascii.hpp"
#include "core/base64.hpp"
#include "core/random.hpp"

namespace cordgate {
namespace {

std::string hex(std::string_view bytes) {
    std::string out;
    for (const char c : bytes) {
        constexpr char digits[] = "0123456789abcdef";
        out += digits[static_cast<unsigned char>(c) >> 4];
        out += digits[static_cast<unsigned char>(c) & 15];
    }
    return out;
}

std::string unhex(std::string_view digits) {
    std::string out;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
        out += static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16));
    }
    return out;
}

Secret key(char fill) {
    return Secret(std::string(32, fill));
}

}  // namespace

TEST_CASE("sha256 knows the vectors of RFC 6234, 8.5") {
    CHECK(hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(hex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK(hex(sha256(std::string(1'000'000, 'a'))) ==
          "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("hmac_sha256 knows the vectors of RFC 4231") {
    CHECK(hex(hmac_sha256(std::string(20, '\x0b'), "Hi There")) ==
          "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    CHECK(hex(hmac_sha256("Jefe", "what do ya want for nothing?")) ==
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    CHECK(hex(hmac_sha256(std::string(20, '\xaa'), std::string(50, '\xdd'))) ==
          "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    CHECK(hex(hmac_sha256(std::string(131, '\xaa'),
                          "Test Using Larger Than Block-Size Key - Hash Key First")) ==
          "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    CHECK(hex(hmac_sha256("", "")) ==
          "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST_CASE("derive_key is HKDF: test case 3 of RFC 5869, its first 32 bytes") {
    const Secret input(std::string(22, '\x0b'));
    CHECK(hex(derive_key(input, "").reveal()) ==
          "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
    CHECK_FALSE(derive_key(input, "a").equals(derive_key(input, "b").reveal()));
}

TEST_CASE(
    "constant_time_equal compares content and length, oauth2-proxy #16 CVE-2026-77582 "
    "CVE-2026-32595 CVE-2026-41263") {
    CHECK(constant_time_equal("", ""));
    CHECK(constant_time_equal("ab", "ab"));
    CHECK_FALSE(constant_time_equal("ab", "aB"));
    CHECK_FALSE(constant_time_equal("ab", "abc"));
    CHECK_FALSE(constant_time_equal("a", ""));
}

TEST_CASE("Ed25519 knows the vectors of RFC 8032, 7.1") {
    struct Case {
        const char* name;
        const char* secret;
        const char* public_key;
        const char* message;
        const char* signature;
    };
    // Aligned, the rows would be too long.
    // clang-format off
    constexpr Case cases[] = {
        {"TEST 1", "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
         "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e397"
         "01cf9b46bd25bf5f0595bbe24655141438e7a100b"},
        {"TEST 2", "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
         "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
         "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f361"
         "3d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
        {"TEST 3", "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
         "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
         "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f76"
         "0984dc6594a7c15e9716ed28dc027beceea1ec40a"},
    };
    // clang-format on
    for (const auto& row : cases) {
        CAPTURE(row.name);
        const auto pair = ed25519_key(Secret(unhex(row.secret)));
        const auto message = unhex(row.message);
        CHECK(hex(pair.public_key) == row.public_key);
        CHECK(hex(ed25519_sign(pair, message)) == row.signature);
        CHECK(ed25519_verify(pair.public_key, message, unhex(row.signature)));
    }
}

TEST_CASE("an Ed25519 signature of other bytes, by another key or of another form is refused") {
    const auto pair = ed25519_generate();
    const std::string message = "1700000000{\"type\":0}";
    const auto signature = ed25519_sign(pair, message);
    REQUIRE(ed25519_verify(pair.public_key, message, signature));
    for (std::size_t i = 0; i < signature.size(); ++i) {
        auto changed = signature;
        changed[i] = static_cast<char>(changed[i] ^ 1);
        CHECK_FALSE(ed25519_verify(pair.public_key, message, changed));
    }
    CHECK_FALSE(ed25519_verify(pair.public_key, message + " ", signature));
    CHECK_FALSE(ed25519_verify(ed25519_generate().public_key, message, signature));
    CHECK_FALSE(ed25519_verify(pair.public_key, message, signature.substr(1)));
    CHECK_FALSE(ed25519_verify(pair.public_key, message, ""));
    CHECK_FALSE(ed25519_verify(pair.public_key.substr(1), message, signature));
    CHECK_FALSE(ed25519_verify(std::string(32, '\xff'), message, signature));
    // S + L verifies the same equation; it must not be a second spelling (RFC 8032, 5.1.7).
    auto high = signature;
    high.back() = static_cast<char>(high.back() | '\xf0');
    CHECK_FALSE(ed25519_verify(pair.public_key, message, high));
    CHECK_THROWS_AS(ed25519_key(Secret("short")), std::invalid_argument);
}

TEST_CASE("a Sealer opens what it sealed, whatever the length") {
    const Sealer sealer({key('a')}, "tokens");
    for (const std::size_t size : {0, 1, 15, 16, 17, 4096, 100'000}) {
        CAPTURE(size);
        const std::string plain(size, 'x');
        const auto sealed = sealer.seal(plain, "handle");
        CHECK(sealed.size() == 1 + 12 + size + 16);
        CHECK(sealer.open(sealed, "handle") == plain);
    }
}

TEST_CASE("a Sealer refuses a value with any bit of any byte changed, D13") {
    const Sealer sealer({key('a')}, "tokens");
    const auto sealed = sealer.seal("secret", "handle");
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        for (int bit = 0; bit < 8; ++bit) {
            auto changed = sealed;
            changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
            if (!sealer.open(changed, "handle")) continue;
            CAPTURE(i);
            FAIL_CHECK("opened although it was changed");
        }
        CHECK_FALSE(sealer.open(std::string_view(sealed).substr(0, i), "handle"));
    }
    CHECK_FALSE(sealer.open(sealed + 'x', "handle"));
}

TEST_CASE("what is sealed for one thing never opens as another, oauth2-proxy #8 CVE-2023-35941") {
    const Sealer sealer({key('a')}, "tokens");
    const auto sealed = sealer.seal("secret", "handle");
    CHECK_FALSE(sealer.open(sealed, "another handle"));
    CHECK_FALSE(sealer.open(sealed, ""));
    // Bytes that move between the parts of what is authenticated.
    CHECK_FALSE(sealer.open(sealed, "handl"));
    CHECK_FALSE(Sealer({key('a')}, "token").open(sealed, "shandle"));
    CHECK_FALSE(Sealer({key('a')}, "tokensh").open(sealed, "andle"));
    CHECK_FALSE(Sealer({key('a')}, "cookies").open(sealed, "handle"));
    CHECK_FALSE(Sealer({key('b')}, "tokens").open(sealed, "handle"));
}

TEST_CASE("keys rotate: the first seals, all open, D14") {
    const Sealer before({key('a')}, "tokens");
    const Sealer during({key('b'), key('a')}, "tokens");
    const Sealer after({key('b')}, "tokens");
    const auto old_value = before.seal("old", "h");
    const auto new_value = during.seal("new", "h");
    CHECK(during.open(old_value, "h") == "old");
    CHECK(during.open(new_value, "h") == "new");
    CHECK(after.open(new_value, "h") == "new");
    CHECK_FALSE(after.open(old_value, "h"));
    CHECK_FALSE(before.open(new_value, "h"));
}

TEST_CASE("the same value is sealed differently each time") {
    const Sealer sealer({key('a')}, "tokens");
    std::set<std::string> nonces;
    for (int i = 0; i < 1000; ++i) nonces.insert(sealer.seal("x", "h").substr(1, 12));
    CHECK(nonces.size() == 1000);
}

TEST_CASE("a Sealer takes keys of 32 bytes, and at least one") {
    CHECK_THROWS_AS(Sealer({}, "tokens"), std::invalid_argument);
    CHECK_THROWS_AS(Sealer({Secret("short")}, "tokens"), std::invalid_argument);
    CHECK_THROWS_AS(Sealer({key('a'), Secret(std::string(33, 'a'))}, "tokens"),
                    std::invalid_argument);
}

TEST_CASE("random values have the promised form and never repeat, F5, G1, CVE-2024-21495") {
    // A million in all. What they begin with, 96 bits, tells them apart.
    using Beginning = std::array<char, 16>;
    std::vector<Beginning> seen;
    const auto keep = [&](const std::string& text) {
        auto& kept = seen.emplace_back();
        std::copy_n(text.begin(), kept.size(), kept.begin());
    };
    for (int i = 0; i < 500'000; ++i) {
        const auto token = random_token();
        if (token.size() != 43) FAIL("a token of another size");
        keep(token.reveal());
        keep(random_id());
    }
    std::sort(seen.begin(), seen.end());
    CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
    CHECK(base64url_decode(random_token().reveal())->size() == 32);
    CHECK(base64url_decode(random_id())->size() == 16);
    CHECK(random_bytes(0).empty());
    CHECK(random_bytes(1000).size() == 1000);
}

namespace {

/// What `call` returns in a child of this process.
std::string in_child(const std::function<std::string()>& call) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const auto child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const auto said = call();
        const auto sent = ::write(ends[1], said.data(), said.size());
        ::_exit(sent == static_cast<ssize_t>(said.size()) ? 0 : 1);
    }
    ::close(ends[1]);
    std::string said(256, '\0');
    const auto got = ::read(ends[0], said.data(), said.size());
    ::close(ends[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(status == 0);
    said.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    return said;
}

/// From here on the kernel has no randomness for this process, and no file that gives some.
bool take_randomness_away() {
    const sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOENT),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{std::size(program), const_cast<sock_filter*>(program)};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

}  // namespace

TEST_CASE("G1 a process and its child never draw the same random values") {
    (void)random_token();  // the generator has begun
    const auto draw = [] { return random_token().reveal(); };
    const auto of_child = in_child(draw);
    CHECK(of_child.size() == 43);
    CHECK(of_child != draw());
    CHECK(of_child != in_child(draw));
}

TEST_CASE("G2 without the kernel's randomness there are no random values, not weaker ones") {
    const auto said = in_child([] {
        if (!take_randomness_away()) return std::string("no filter");
        try {
            return "a token of " + std::to_string(random_token().size());
        } catch (const std::runtime_error& refused) {
            return std::string(refused.what());
        }
    });
    CHECK(said == "the random number generator failed");
}

}  // namespace cordgate
