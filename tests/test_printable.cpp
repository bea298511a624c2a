#include <doctest/doctest.h>

#include "moe/printable.h"

using namespace moe;

TEST_CASE("printable: control characters and what is not UTF-8 are shown, all else stays") {
  CHECK(printable("plain ~ text") == "plain ~ text");
  CHECK(printable("\x1b[31mred\r\n\t\x7f") == "\\x1b[31mred\\x0d\\x0a\\x09\\x7f");
  CHECK(printable(std::string("\0", 1)) == "\\x00");
  CHECK(printable("grün, 専門家, 🙂, \u00A0") == "grün, 専門家, 🙂, \u00A0");
  CHECK(printable("\u0080\u009b31m\u009f") == "\\xc2\\x80\\xc2\\x9b31m\\xc2\\x9f");  // C1 as UTF-8 spells it
  CHECK(printable("\x9b"
                  "31m") == "\\x9b31m");
  CHECK(printable_lines("a\nb\r\n") == "a\nb\\x0d\n");
  CHECK(printable("").empty());
}

// RFC 3629: no longer form than needed, no surrogates, nothing above U+10FFFF, nothing cut short.
TEST_CASE("printable: bytes that only look like UTF-8 are none") {
  for (const std::string bad :
       {"\x80", "\xc0\xaf", "\xc1\xbf", "\xc3", "\xe0\x80\xaf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe2\x82",
        "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf0\x9f\x99",
        "\xff", "\xc3(", "\xe2\x82(", "\xf0\x9f\x99("}) {
    CAPTURE(printable(bad));
    CHECK_FALSE(is_utf8(bad));
    CHECK(printable(bad).starts_with("\\x"));
    for (const char c : printable(bad)) CHECK((c >= ' ' && c <= '~'));
  }
  for (const std::string good : {"", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                                 "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
    CHECK(is_utf8(good));
}

TEST_CASE("printable: a beginning ends with a whole character") {
  CHECK(beginning("abc", 3) == "abc");
  CHECK(beginning("abc", 2) == "ab");
  CHECK(beginning("aé", 2) == "a");
  CHECK(beginning("a🙂b", 4) == "a");
  CHECK(beginning("a🙂b", 5) == "a🙂");
  CHECK(beginning("é", 0).empty());
}
