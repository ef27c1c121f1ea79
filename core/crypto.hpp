#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/secret.hpp"

namespace cordgate {

/// SHA-256 (FIPS 180-4): 32 raw bytes.
std::string sha256(std::string_view bytes);

/// HMAC-SHA-256 (RFC 2104): 32 raw bytes.
std::string hmac_sha256(std::string_view key, std::string_view message);

/// 32 bytes derived from `key` for one purpose (HKDF-SHA-256, RFC 5869), so
/// that what is sealed for one thing never opens as another.
Secret derive_key(const Secret& key, std::string_view purpose);

/// Equal, in a time that depends on the lengths only.
bool constant_time_equal(std::string_view a, std::string_view b);

/// The two halves of an Ed25519 key (RFC 8032): 32 raw bytes each.
struct Ed25519Key {
    Secret secret;
    std::string public_key;
};
Ed25519Key ed25519_generate();
/// The key of a secret half; throws std::invalid_argument unless it has 32 bytes.
Ed25519Key ed25519_key(Secret secret);
/// The signature of `message`: 64 raw bytes.
std::string ed25519_sign(const Ed25519Key& key, std::string_view message);
/// Whether `signature` is that of `message` by the owner of `public_key`; no
/// for halves of any other length, and for public keys that are no points.
bool ed25519_verify(std::string_view public_key, std::string_view message,
                    std::string_view signature);

/// Seals values for one purpose with AES-256-GCM; several keys allow rotation:
/// the first seals, all open. Immutable; safe from any thread.
class Sealer {
public:
    /// `keys`: 32 raw bytes each, at least one; `purpose` as in derive_key.
    Sealer(const std::vector<Secret>& keys, std::string_view purpose);

    /// `plain`, encrypted and bound to `context` (associated data): opening it
    /// under another context fails. Layout: version byte, 12-byte nonce,
    /// ciphertext, 16-byte tag.
    std::string seal(std::string_view plain, std::string_view context) const;

    /// What was sealed, or nullopt when it was not sealed by one of our keys
    /// for this purpose and context, or was changed since.
    std::optional<std::string> open(std::string_view sealed, std::string_view context) const;

    /// What an older key sealed, sealed anew with the first; nullopt when the first
    /// sealed it, and when none of ours did.
    std::optional<std::string> renew(std::string_view sealed, std::string_view context) const;

private:
    std::vector<Secret> keys_;
};

}  // namespace cordgate
