#include "core/crypto.hpp"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <stdexcept>

#include "core/random.hpp"

namespace cordgate {
namespace {

constexpr char version = 1;
constexpr std::size_t key_size = 32;
constexpr std::size_t nonce_size = 12;
constexpr std::size_t tag_size = 16;
constexpr std::size_t digest_size = 32;
constexpr std::size_t signature_size = 64;
constexpr std::size_t max_size = std::numeric_limits<int>::max() / 2;

struct Free {
    void operator()(EVP_MD* p) const { EVP_MD_free(p); }
    void operator()(EVP_MD_CTX* p) const { EVP_MD_CTX_free(p); }
    void operator()(EVP_CIPHER* p) const { EVP_CIPHER_free(p); }
    void operator()(EVP_CIPHER_CTX* p) const { EVP_CIPHER_CTX_free(p); }
    void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

// None of these calls fails on any input; out of memory and a broken provider
// are left, and nothing may go on with those.
void require(bool done, const char* what) {
    if (!done) throw std::runtime_error(std::string("OpenSSL failed: ") + what);
}

const unsigned char* raw(std::string_view bytes) {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* raw(std::string& bytes) {
    return reinterpret_cast<unsigned char*>(bytes.data());
}
int length(std::string_view bytes) {
    return static_cast<int>(bytes.size());
}

// Fetching an algorithm takes locks and look-ups in OpenSSL 3; once is enough.
const EVP_MD* sha256_algorithm() {
    static const Owned<EVP_MD> algorithm(EVP_MD_fetch(nullptr, "SHA2-256", nullptr));
    require(algorithm != nullptr, "SHA-256");
    return algorithm.get();
}

const EVP_CIPHER* aes_algorithm() {
    static const Owned<EVP_CIPHER> algorithm(EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr));
    require(algorithm != nullptr, "AES-256-GCM");
    return algorithm.get();
}

Owned<EVP_MD_CTX> signature_context() {
    Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
    require(context != nullptr, "EVP_MD_CTX_new");
    return context;
}

Owned<EVP_PKEY> ed25519_of(const Secret& secret) {
    const auto& bytes = secret.reveal();
    if (bytes.size() != key_size) throw std::invalid_argument("an Ed25519 key has 32 bytes");
    Owned<EVP_PKEY> key(
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, raw(bytes), bytes.size()));
    require(key != nullptr, "Ed25519");
    return key;
}

Owned<EVP_CIPHER_CTX> cipher_context() {
    Owned<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
    require(context != nullptr, "EVP_CIPHER_CTX_new");
    return context;
}

bool may_be_sealed(std::string_view sealed) {
    return sealed.size() >= 1 + nonce_size + tag_size && sealed.size() <= max_size &&
           sealed.front() == version;
}

// `sealed` has a version, a nonce and a tag.
std::optional<std::string> open_with(const Secret& key, std::string_view sealed,
                                     std::string_view context) {
    const auto nonce = sealed.substr(1, nonce_size);
    const auto text = sealed.substr(1 + nonce_size, sealed.size() - 1 - nonce_size - tag_size);
    std::string tag(sealed.substr(sealed.size() - tag_size));
    std::string plain(text.size(), '\0');

    const auto cipher = cipher_context();
    int written = 0;
    require(EVP_DecryptInit_ex2(cipher.get(), aes_algorithm(), raw(key.reveal()), raw(nonce),
                                nullptr) == 1,
            "EVP_DecryptInit_ex2");
    require(EVP_DecryptUpdate(cipher.get(), nullptr, &written, raw(context), length(context)) == 1,
            "EVP_DecryptUpdate");
    require(EVP_DecryptUpdate(cipher.get(), raw(plain), &written, raw(text), length(text)) == 1,
            "EVP_DecryptUpdate");
    require(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_SET_TAG, tag_size, tag.data()) == 1,
            "EVP_CTRL_AEAD_SET_TAG");
    unsigned char rest[16];
    const bool genuine = EVP_DecryptFinal_ex(cipher.get(), rest, &written) == 1;
    if (genuine) return plain;
    OPENSSL_cleanse(plain.data(), plain.size());
    return std::nullopt;
}

}  // namespace

std::string sha256(std::string_view bytes) {
    thread_local const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
    require(context != nullptr, "EVP_MD_CTX_new");
    std::string digest(digest_size, '\0');
    require(EVP_DigestInit_ex2(context.get(), sha256_algorithm(), nullptr) == 1 &&
                EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) == 1 &&
                EVP_DigestFinal_ex(context.get(), raw(digest), nullptr) == 1,
            "SHA-256");
    return digest;
}

std::string hmac_sha256(std::string_view key, std::string_view message) {
    if (key.size() > max_size) throw std::length_error("the key is too long");
    std::string digest(digest_size, '\0');
    // A null key means "the previous one" to OpenSSL, even when it is empty.
    const void* const bytes = key.empty() ? "" : key.data();
    require(HMAC(sha256_algorithm(), bytes, length(key), raw(message), message.size(), raw(digest),
                 nullptr) != nullptr,
            "HMAC");
    return digest;
}

// Extract without a salt (the key is uniform), then one block of expansion.
Secret derive_key(const Secret& key, std::string_view purpose) {
    const Secret extracted(hmac_sha256(std::string(digest_size, '\0'), key.reveal()));
    return Secret(hmac_sha256(extracted.reveal(), std::string(purpose) + '\x01'));
}

bool constant_time_equal(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    // Eight bytes at a time, where OpenSSL's takes one: every request asks.
    std::uint64_t difference = 0;
    std::size_t at = 0;
    for (; a.size() - at >= sizeof difference; at += sizeof difference) {
        std::uint64_t x = 0;
        std::uint64_t y = 0;
        std::memcpy(&x, a.data() + at, sizeof x);
        std::memcpy(&y, b.data() + at, sizeof y);
        difference |= x ^ y;
        // Nobody knows anything about it here, so that no compiler ends the loop early.
        asm volatile("" : "+r"(difference));
    }
    return CRYPTO_memcmp(a.data() + at, b.data() + at, a.size() - at) == 0 && difference == 0;
}

Ed25519Key ed25519_generate() {
    return ed25519_key(Secret(random_bytes(key_size)));
}

Ed25519Key ed25519_key(Secret secret) {
    const auto key = ed25519_of(secret);
    std::string half(key_size, '\0');
    auto size = half.size();
    require(EVP_PKEY_get_raw_public_key(key.get(), raw(half), &size) == 1, "Ed25519");
    return {std::move(secret), std::move(half)};
}

std::string ed25519_sign(const Ed25519Key& key, std::string_view message) {
    const auto secret = ed25519_of(key.secret);
    const auto context = signature_context();
    std::string signature(signature_size, '\0');
    auto size = signature.size();
    require(
        EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, secret.get()) == 1 &&
            EVP_DigestSign(context.get(), raw(signature), &size, raw(message), message.size()) == 1,
        "Ed25519");
    return signature;
}

bool ed25519_verify(std::string_view public_key, std::string_view message,
                    std::string_view signature) {
    if (public_key.size() != key_size || signature.size() != signature_size) return false;
    // What fails here is the peer's doing; TLS must not find it in OpenSSL's list of errors.
    ERR_set_mark();
    const Owned<EVP_PKEY> key(
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, raw(public_key), public_key.size()));
    const auto context = signature_context();
    const bool genuine =
        key && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
        EVP_DigestVerify(context.get(), raw(signature), signature.size(), raw(message),
                         message.size()) == 1;
    ERR_pop_to_mark();
    return genuine;
}

Sealer::Sealer(const std::vector<Secret>& keys, std::string_view purpose) {
    if (keys.empty()) throw std::invalid_argument("a sealer needs a key");
    for (const auto& key : keys) {
        if (key.size() != key_size) throw std::invalid_argument("a key has 32 bytes");
        keys_.push_back(derive_key(key, purpose));
    }
}

// Random nonces are fine for 2^32 values under one key (NIST SP 800-38D, 8.3).
std::string Sealer::seal(std::string_view plain, std::string_view context) const {
    if (plain.size() > max_size || context.size() > max_size) {
        throw std::length_error("too long to be sealed");
    }
    const std::string nonce = random_bytes(nonce_size);
    std::string text(plain.size(), '\0');
    std::string tag(tag_size, '\0');

    const auto cipher = cipher_context();
    int written = 0;
    require(EVP_EncryptInit_ex2(cipher.get(), aes_algorithm(), raw(keys_.front().reveal()),
                                raw(std::string_view(nonce)), nullptr) == 1,
            "EVP_EncryptInit_ex2");
    require(EVP_EncryptUpdate(cipher.get(), nullptr, &written, raw(context), length(context)) == 1,
            "EVP_EncryptUpdate");
    require(EVP_EncryptUpdate(cipher.get(), raw(text), &written, raw(plain), length(plain)) == 1,
            "EVP_EncryptUpdate");
    unsigned char rest[16];
    require(EVP_EncryptFinal_ex(cipher.get(), rest, &written) == 1, "EVP_EncryptFinal_ex");
    require(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_GET_TAG, tag_size, tag.data()) == 1,
            "EVP_CTRL_AEAD_GET_TAG");
    return version + nonce + text + tag;
}

std::optional<std::string> Sealer::open(std::string_view sealed, std::string_view context) const {
    if (!may_be_sealed(sealed) || context.size() > max_size) return std::nullopt;
    for (const auto& key : keys_) {
        if (auto plain = open_with(key, sealed, context)) return plain;
    }
    return std::nullopt;
}

std::optional<std::string> Sealer::renew(std::string_view sealed, std::string_view context) const {
    if (!may_be_sealed(sealed) || context.size() > max_size) return std::nullopt;
    for (const auto& key : keys_) {
        auto opened = open_with(key, sealed, context);
        if (!opened) continue;
        const Secret plain(std::move(*opened));
        if (&key == &keys_.front()) return std::nullopt;
        return seal(plain.reveal(), context);
    }
    return std::nullopt;
}

}  // namespace cordgate
