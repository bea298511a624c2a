#pragma once

#include <string>
#include <string_view>

/// Text from files, arguments and other programs, made safe for a terminal.
namespace moe {

/// Is every byte of `text` part of a character in UTF-8?
bool is_utf8(std::string_view text);

/// The text with its control characters (C0, DEL, C1) and the bytes that are not UTF-8 as \x1b and the like, so that no
/// terminal acts on them and one line stays one.
std::string printable(std::string_view text);
/// The same for text of several lines: each ends where it did.
std::string printable_lines(std::string_view text);

/// The first `most` bytes of UTF-8, or fewer, so that they end with a whole character.
std::string beginning(const std::string& text, std::size_t most);

}  // namespace moe
