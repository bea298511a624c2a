#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <regex>
#include <set>

#include "moe/file.h"

using namespace moe;

namespace {

namespace fs = std::filesystem;
const fs::path kRoot = MOE_ROOT;
const std::string kNumber = R"(\(([SRTPLGXACBZ][0-9][a-z'"]?)\))";

/// Calls take(match) for every match of `pattern` in `text`.
template <typename Take>
void each_match(const std::string& text, const std::string& pattern, Take take) {
  const std::regex regex(pattern, std::regex::ECMAScript | std::regex::multiline);
  for (std::sregex_iterator m(text.begin(), text.end(), regex), end; m != end; ++m) take(*m);
}

/// How often MATH.md defines each formula: at the start of a line.
std::map<std::string, int> definitions() {
  std::map<std::string, int> found;
  each_match(read_text((kRoot / "docs/MATH.md").string()), "^" + kNumber,
             [&](const auto& m) { ++found[m[1]]; });
  return found;
}

/// The formulas that the code below include/ cites.
std::set<std::string> citations() {
  std::set<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / "include"))
    if (entry.is_regular_file())
      each_match(read_text(entry.path().string()), kNumber, [&](const auto& m) { found.insert(m[1]); });
  return found;
}

}  // namespace

TEST_CASE("math: every formula has one number, and the code cites it") {
  const auto defined = definitions();
  const auto cited = citations();
  CHECK(defined.size() > 40);
  for (const auto& formula : defined) {
    CAPTURE(formula.first);
    CHECK(formula.second == 1);
    CHECK(cited.count(formula.first) == 1);
  }
  for (const std::string& number : cited) {
    CAPTURE(number);
    CHECK(defined.count(number) == 1);
  }
}

TEST_CASE("math: the files and cases that the table names exist") {
  int rows = 0;
  const std::string table = R"(^\| [^|]+ \| \([^|]+ \| `([^`]+)` \| `([^`]+)` \| `(([^`/]+)/[^`]+)` \|$)";
  each_match(read_text((kRoot / "docs/MATH.md").string()), table, [&](const auto& m) {
    CAPTURE(m.str());
    CHECK(fs::exists(kRoot / "include/moe" / m[1].str()));
    CHECK(fs::exists(kRoot / "tests" / m[2].str()));
    bool found = false;
    for (const auto& entry : fs::directory_iterator(kRoot / "golden" / m[4].str()))
      found = found || read_text(entry.path().string()).find('"' + m[3].str() + '"') != std::string::npos;
    CHECK(found);
    ++rows;
  });
  CHECK(rows == 12);
}
