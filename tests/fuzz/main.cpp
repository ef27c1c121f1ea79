// Runs a fuzz target without libFuzzer: every seed of the folder given, cut at
// every length and with single bytes damaged. The same inputs every time.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

// A seed may be large; past this many positions damages are spread evenly.
constexpr std::size_t positions = 512;
// How many of the damages each position gets; its neighbours get the others.
constexpr std::size_t damages_each = 3;

Bytes read(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(in), {});
}

// A copy of exactly `size` bytes, so that a sanitizer sees a read past the end.
std::size_t run(const Bytes& seed, std::size_t size) {
    const Bytes exact(seed.begin(), seed.begin() + static_cast<std::ptrdiff_t>(size));
    LLVMFuzzerTestOneInput(exact.data(), exact.size());
    return 1;
}

std::size_t run_damaged(Bytes seed) {
    // What has meaning to a parser of text: ends, separators, escapes, high bits.
    constexpr std::uint8_t damages[] = {0x00, '\n', '\r', ' ', '"', '%', '/', '\\', 0x7f, 0xff};
    const std::size_t step = seed.size() / positions + 1;
    std::size_t next = 0;
    std::size_t runs = run(seed, seed.size());
    for (std::size_t at = 0; at < seed.size(); at += step) {
        runs += run(seed, at);
        const std::uint8_t original = seed[at];
        for (std::size_t i = 0; i < damages_each; ++i) {
            seed[at] = damages[next++ % std::size(damages)];
            runs += run(seed, seed.size());
        }
        seed[at] = original;
    }
    return runs;
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::filesystem::path> seeds;
    for (int i = 1; i < argc; ++i) {
        if (!std::filesystem::is_directory(argv[i])) continue;
        for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
            if (entry.is_regular_file()) seeds.push_back(entry.path());
        }
    }
    std::sort(seeds.begin(), seeds.end());
    std::size_t runs = 0;
    for (const auto& seed : seeds) runs += run_damaged(read(seed));
    std::printf("%zu seeds, %zu runs\n", seeds.size(), runs);
    // Without seeds nothing was tested, and that is a failure.
    return seeds.empty() ? 1 : 0;
}
