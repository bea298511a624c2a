#include "moe/printable.h"

namespace moe {
namespace {

unsigned char byte_of(std::string_view text, std::size_t at) {
  return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
}

bool continues(unsigned char byte) { return (byte & 0xC0) == 0x80; }

/// The bytes of the character that begins at `at`; 0 where none does (RFC 3629 section 4: the shortest form only, and no
/// surrogates).
std::size_t length_at(std::string_view text, std::size_t at) {
  const unsigned char first = byte_of(text, at), second = byte_of(text, at + 1);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  const unsigned char least = first == 0xE0   ? 0xA0
                              : first == 0xF0 ? 0x90
                                              : 0x80,
                      most = first == 0xED   ? 0x9F
                             : first == 0xF4 ? 0x8F
                                             : 0xBF;
  if (first < 0xC2 || first > 0xF4 || second < least || second > most) return 0;
  for (std::size_t i = 2; i < length; ++i)
    if (!continues(byte_of(text, at + i))) return 0;
  return length;
}

/// C0, DEL, and C1, which UTF-8 spells with two bytes.
bool is_control(std::string_view text, std::size_t at, std::size_t length) {
  const unsigned char first = byte_of(text, at);
  return length == 1 ? first < ' ' || first == 0x7F : first == 0xC2 && byte_of(text, at + 1) < 0xA0;
}

std::string escaped_but(std::string_view text, bool lines) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string safe;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = length_at(text, at), end = at + (length == 0 ? 1 : length);
    const bool shown = length > 0 && (!is_control(text, at, length) || (lines && text[at] == '\n'));
    if (shown) safe += text.substr(at, length);
    for (; !shown && at < end; ++at)
      safe += {'\\', 'x', kDigits[byte_of(text, at) >> 4], kDigits[byte_of(text, at) & 15]};
    at = end;
  }
  return safe;
}

}  // namespace

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0, length = 0; at < text.size(); at += length)
    if ((length = length_at(text, at)) == 0) return false;
  return true;
}

std::string printable(std::string_view text) { return escaped_but(text, false); }
std::string printable_lines(std::string_view text) { return escaped_but(text, true); }

std::string beginning(const std::string& text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && continues(byte_of(text, most))) --most;
  return text.substr(0, most);
}

}  // namespace moe
