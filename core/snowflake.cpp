#include "core/snowflake.hpp"

#include <charconv>

#include "core/ascii.hpp"

namespace cordgate {

std::optional<Snowflake> Snowflake::parse(std::string_view text) {
    if (text.empty() || !is_digit(text.front())) return std::nullopt;
    if (text.front() == '0' && text.size() > 1) return std::nullopt;
    std::uint64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || stopped != end) return std::nullopt;
    return Snowflake(value);
}

TimePoint Snowflake::created_at() const {
    constexpr std::chrono::milliseconds discord_epoch{1'420'070'400'000};  // 2015-01-01
    const std::chrono::milliseconds since_epoch{static_cast<std::int64_t>(value_ >> 22)};
    return TimePoint(std::chrono::duration_cast<Clock::duration>(discord_epoch + since_epoch));
}

}  // namespace cordgate
