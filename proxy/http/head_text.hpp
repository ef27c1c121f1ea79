#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <string_view>

#include "proxy/http/head.hpp"

namespace cordgate::proxy::http {

/// The text of a head that is being written (RFC 9112, 2.1). What goes in was checked:
/// nothing here looks for line breaks. Its memory is kept when it is cleared.
class HeadText {
public:
    void request_line(std::string_view method, std::string_view target) {
        append(method).append(" ").append(target).append(" HTTP/1.1\r\n");
    }
    /// `status` has three digits.
    void status_line(int status, std::string_view reason) {
        constexpr std::string_view version = "HTTP/1.1 ";
        const auto size = version.size() + 4 + reason.size() + 2;
        auto* next = put(room_for(size), version);
        for (const int digit : {status / 100, status / 10 % 10, status % 10}) {
            *next++ = static_cast<char>('0' + digit);
        }
        *next++ = ' ';
        next = put(next, reason);
        *next++ = '\r';
        *next++ = '\n';
        size_ += size;
    }
    /// Inlined, so that a name which is known here is no call of memcpy.
    [[gnu::always_inline]] void add(std::string_view name, std::string_view value) {
        auto* next = room_for(name.size() + value.size() + 4);
        next = put(next, name);
        *next++ = ':';
        *next++ = ' ';
        next = put(next, value);
        *next++ = '\r';
        *next++ = '\n';
        size_ += name.size() + value.size() + 4;
    }
    void add_number(std::string_view name, std::uint64_t value) {
        append(name).append(": ").append_number(value);
        append("\r\n");
    }
    /// A field as it came: in one piece where its line is spelled as ours are.
    void add(const Field& field) {
        const auto* const name_end = field.name.data() + field.name.size();
        const auto* const value_end = field.value.data() + field.value.size();
        if (field.value.data() == name_end + 2 && name_end[1] == ' ' && value_end[0] == '\r') {
            const auto size = static_cast<std::size_t>(value_end - field.name.data());
            append({field.name.data(), size + 2});
        } else {
            add(field.name, field.value);
        }
    }
    /// The empty line.
    void end() { append("\r\n"); }

    HeadText& append(std::string_view text) {
        put(room_for(text.size()), text);
        size_ += text.size();
        return *this;
    }

    void clear() { size_ = 0; }
    bool empty() const { return size_ == 0; }
    std::size_t capacity() const { return capacity_; }
    std::string_view view() const { return {data_.get(), size_}; }

private:
    static char* put(char* to, std::string_view text) {
        if (!text.empty()) std::memcpy(to, text.data(), text.size());
        return to + text.size();
    }
    HeadText& append_number(std::uint64_t value) {
        char digits[20];
        const auto* const end = std::to_chars(digits, std::end(digits), value).ptr;
        return append({digits, static_cast<std::size_t>(end - digits)});
    }
    char* room_for(std::size_t size) {
        if (capacity_ - size_ < size) grow(size);
        return data_.get() + size_;
    }
    void grow(std::size_t size) {
        capacity_ = std::max<std::size_t>(1024, 2 * (size_ + size));
        auto larger = std::make_unique_for_overwrite<char[]>(capacity_);
        put(larger.get(), view());
        data_ = std::move(larger);
    }

    std::unique_ptr<char[]> data_;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace cordgate::proxy::http
