#include "core/timestamp.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "core/ascii.hpp"

namespace cordgate {
namespace {

using namespace std::chrono;

/// Takes fields of fixed width from the front.
class Scanner {
public:
    explicit Scanner(std::string_view text) : text_(text) {}

    bool take(char wanted) {
        if (text_.empty() || to_lower(text_.front()) != to_lower(wanted)) return false;
        text_.remove_prefix(1);
        return true;
    }
    std::optional<int> number(std::size_t digits) {
        if (text_.size() < digits) return std::nullopt;
        int value = 0;
        for (const char c : text_.substr(0, digits)) {
            if (!is_digit(c)) return std::nullopt;
            value = value * 10 + (c - '0');
        }
        text_.remove_prefix(digits);
        return value;
    }
    /// Digits of any number as a fraction of a second, down to microseconds.
    std::optional<microseconds> fraction() {
        long long value = 0;
        long long unit = 1'000'000;
        std::size_t digits = 0;
        for (; !text_.empty() && is_digit(text_.front()); text_.remove_prefix(1), ++digits) {
            unit /= 10;
            value += unit * (text_.front() - '0');
        }
        if (digits == 0 || digits > 12) return std::nullopt;
        return microseconds(value);
    }
    bool is_at_end() const { return text_.empty(); }

private:
    std::string_view text_;
};

std::optional<minutes> offset(Scanner& text) {
    if (text.is_at_end() || text.take('Z')) return minutes(0);
    const bool is_west = text.take('-');
    if (!is_west && !text.take('+')) return std::nullopt;
    const auto hour = text.number(2);
    if (!hour || !text.take(':')) return std::nullopt;
    const auto minute = text.number(2);
    if (!minute || *hour > 23 || *minute > 59) return std::nullopt;
    const minutes east = hours(*hour) + minutes(*minute);
    return is_west ? -east : east;
}

}  // namespace

std::string format_timestamp(TimePoint time) {
    const auto whole = floor<milliseconds>(time);
    const auto day = floor<days>(whole);
    const year_month_day date(day);
    const hh_mm_ss clock(whole - day);
    char text[48];
    const int size = std::snprintf(
        text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
        static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
        static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
        static_cast<int>(clock.seconds().count()));
    std::string out(text, static_cast<std::size_t>(size));
    if (const auto rest = clock.subseconds().count(); rest != 0) {
        std::snprintf(text, sizeof text, ".%03d", static_cast<int>(rest));
        out += text;
    }
    return out + "Z";
}

std::optional<TimePoint> parse_timestamp(std::string_view text) {
    Scanner in(text);
    const auto y = in.number(4);
    if (!y || !in.take('-')) return std::nullopt;
    const auto m = in.number(2);
    if (!m || !in.take('-')) return std::nullopt;
    const auto d = in.number(2);
    if (!d || !in.take('T')) return std::nullopt;
    const auto hour = in.number(2);
    if (!hour || !in.take(':')) return std::nullopt;
    const auto minute = in.number(2);
    if (!minute || !in.take(':')) return std::nullopt;
    const auto second = in.number(2);
    if (!second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
    microseconds rest{0};
    if (in.take('.')) {
        const auto fraction = in.fraction();
        if (!fraction) return std::nullopt;
        rest = *fraction;
    }
    const auto east = offset(in);
    const year_month_day date(year(*y), month(static_cast<unsigned>(*m)),
                              day(static_cast<unsigned>(*d)));
    if (!east || !in.is_at_end() || !date.ok()) return std::nullopt;
    const auto time = sys_days(date) + hours(*hour) + minutes(*minute) + seconds(*second) + rest;
    // Nanoseconds reach from 1677 to 2262: what lies beyond is as far as that.
    constexpr auto earliest = ceil<microseconds>(TimePoint::min().time_since_epoch());
    constexpr auto latest = floor<microseconds>(TimePoint::max().time_since_epoch());
    const auto since_epoch = (time - *east).time_since_epoch();
    return TimePoint(std::clamp<microseconds>(since_epoch, earliest, latest));
}

}  // namespace cordgate
