#include "cmd/discord-sim/image.hpp"

#include <algorithm>
#include <array>

#include "core/crypto.hpp"

namespace cordgate::sim {
namespace {

// Small enough to serve often; the simulator needs no compressor: deflate may
// store blocks as they are (RFC 1951, 3.2.4).

void put_big(std::string& out, std::uint32_t value) {
    for (const int shift : {24, 16, 8, 0}) out += static_cast<char>((value >> shift) & 0xff);
}

void put_little(std::string& out, std::uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out += static_cast<char>((value >> (8 * i)) & 0xff);
}

std::uint32_t crc32(std::string_view bytes) {
    std::uint32_t crc = 0xffffffffU;
    for (const char c : bytes) {
        crc ^= static_cast<unsigned char>(c);
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320U : 0U);
    }
    return ~crc;
}

std::uint32_t adler32(std::string_view bytes) {
    std::uint32_t a = 1;
    std::uint32_t b = 0;
    for (const char c : bytes) {
        a = (a + static_cast<unsigned char>(c)) % 65521;
        b = (b + a) % 65521;
    }
    return (b << 16) | a;
}

std::string deflate_stored(std::string_view bytes) {
    std::string out;
    do {
        const auto block = bytes.substr(0, 65535);
        bytes.remove_prefix(block.size());
        out += bytes.empty() ? '\1' : '\0';
        put_little(out, static_cast<std::uint32_t>(block.size()), 2);
        put_little(out, ~static_cast<std::uint32_t>(block.size()), 2);
        out += block;
    } while (!bytes.empty());
    return out;
}

void put_chunk(std::string& out, std::string_view type, std::string_view data) {
    put_big(out, static_cast<std::uint32_t>(data.size()));
    const auto typed = std::string(type) + std::string(data);
    out += typed;
    put_big(out, crc32(typed));
}

// Which of the 8 x 8 cells is dark: a margin of one, mirrored left to right.
bool dark(std::string_view digest, std::uint32_t column, std::uint32_t row) {
    if (column == 0 || column == 7 || row == 0 || row == 7) return false;
    const auto mirrored = std::min(column, 7 - column);
    return (static_cast<unsigned char>(digest[row * 3 + mirrored]) & 1) != 0;
}

}  // namespace

std::string pattern_png(std::string_view seed, std::uint32_t edge) {
    edge = std::clamp<std::uint32_t>(edge, 8, 256);
    const auto digest = sha256(seed);

    std::string header;
    put_big(header, edge);
    put_big(header, edge);
    header += std::string("\x01\x03\x00\x00\x00", 5);  // one bit a pixel, palette

    std::string pixels;
    for (std::uint32_t y = 0; y < edge; ++y) {
        pixels += '\0';  // no filter on this line
        for (std::uint32_t x = 0; x < edge; x += 8) {
            unsigned byte = 0;
            for (std::uint32_t bit = 0; bit < 8; ++bit) {
                const auto column = std::min<std::uint32_t>((x + bit) * 8 / edge, 7);
                byte = byte << 1 | (dark(digest, column, y * 8 / edge) ? 1U : 0U);
            }
            pixels += static_cast<char>(byte);
        }
    }

    std::string palette = "\xf2\xf0\xea";
    for (std::size_t i = 29; i < 32; ++i) {
        palette += static_cast<char>(40 + static_cast<unsigned char>(digest[i]) % 130);
    }
    std::string zlib = "\x78\x01" + deflate_stored(pixels);
    put_big(zlib, adler32(pixels));

    std::string png = "\x89PNG\r\n\x1a\n";
    put_chunk(png, "IHDR", header);
    put_chunk(png, "PLTE", palette);
    put_chunk(png, "IDAT", zlib);
    put_chunk(png, "IEND", "");
    return png;
}

std::string gzip_stored(std::string_view bytes) {
    std::string out("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", 10);
    out += deflate_stored(bytes);
    put_little(out, crc32(bytes), 4);
    put_little(out, static_cast<std::uint32_t>(bytes.size()), 4);
    return out;
}

}  // namespace cordgate::sim
