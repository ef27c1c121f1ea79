#include "cmd/discord-sim/rsa_key.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <stdexcept>

#include "core/crypto.hpp"
#include "core/hex.hpp"

namespace cordgate::sim {
namespace {

void require(bool done) {
    if (!done) throw std::runtime_error("OpenSSL failed: RSA");
}

EVP_PKEY* pkey(const std::shared_ptr<void>& key) {
    return static_cast<EVP_PKEY*>(key.get());
}

unsigned char* raw(std::string& bytes) {
    return reinterpret_cast<unsigned char*>(bytes.data());
}

}  // namespace

RsaKey::RsaKey()
    : key_(EVP_RSA_gen(2048U), [](void* key) { EVP_PKEY_free(static_cast<EVP_PKEY*>(key)); }) {
    require(key_ != nullptr);
    id_ = hex_encode(sha256(modulus())).substr(0, 16);
}

std::string RsaKey::sign(std::string_view message) const {
    const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                     EVP_MD_CTX_free);
    require(context != nullptr);
    require(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, pkey(key_)) == 1);
    const auto* const bytes = reinterpret_cast<const unsigned char*>(message.data());
    std::size_t size = 0;
    require(EVP_DigestSign(context.get(), nullptr, &size, bytes, message.size()) == 1);
    std::string signature(size, '\0');
    require(EVP_DigestSign(context.get(), raw(signature), &size, bytes, message.size()) == 1);
    signature.resize(size);
    return signature;
}

std::string RsaKey::modulus() const {
    BIGNUM* number = nullptr;
    require(EVP_PKEY_get_bn_param(pkey(key_), OSSL_PKEY_PARAM_RSA_N, &number) == 1);
    std::string bytes(static_cast<std::size_t>(BN_num_bytes(number)), '\0');
    BN_bn2bin(number, raw(bytes));
    BN_free(number);
    return bytes;
}

}  // namespace cordgate::sim
