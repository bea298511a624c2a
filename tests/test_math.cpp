#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "moe/file.h"

using namespace moe;

namespace {

namespace fs = std::filesystem;
const fs::path kRoot = MOE_ROOT;

/// The formula number, such as R3 or L1b or X2', that `text` has in parentheses at `from`; empty where it has none.
std::string number_at(const std::string& text, std::size_t from) {
  const std::size_t close = text.find(')', from);
  if (text[from] != '(' || close == std::string::npos || close < from + 3 || close > from + 4) return "";
  std::string number = text.substr(from + 1, close - from - 1);
  const bool fits =
      number[0] >= 'A' && number[0] <= 'Z' && std::isdigit(static_cast<unsigned char>(number[1])) != 0;
  return fits && (number.size() == 2 || std::string("'\"b").find(number[2]) != std::string::npos) ? number
                                                                                                  : "";
}

/// How often MATH.md defines each formula: at the start of a line.
std::map<std::string, int> definitions() {
  std::map<std::string, int> found;
  std::istringstream lines(read_text((kRoot / "docs/MATH.md").string()));
  for (std::string line; std::getline(lines, line);)
    if (const std::string number = number_at(line + ' ', 0); !number.empty()) ++found[number];
  return found;
}

/// The formulas that the layer, the certifier, the checker and the counter cite.
std::set<std::string> citations() {
  std::set<std::string> found;
  for (const char* folder : {"include", "src/certify", "src/check", "src/diagnose", "src/sizing"})
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      if (!entry.is_regular_file()) continue;
      const std::string text = read_text(entry.path().string());
      for (std::size_t i = text.find('('); i != std::string::npos; i = text.find('(', i + 1))
        if (const std::string number = number_at(text, i); !number.empty()) found.insert(number);
    }
  return found;
}

/// What stands between backticks in a line.
std::vector<std::string> backticked(const std::string& line) {
  std::vector<std::string> parts;
  std::istringstream text(line);
  std::string part;
  for (bool inside = false; std::getline(text, part, '`'); inside = !inside)
    if (inside) parts.push_back(part);
  return parts;
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

TEST_CASE("math: the files and cases that the table of stages names exist") {
  int rows = 0;
  std::istringstream lines(read_text((kRoot / "docs/MATH.md").string()));
  for (std::string line; std::getline(lines, line);) {
    const std::vector<std::string> named = backticked(line);
    if (!line.starts_with("| ") || named.size() != 3 || line.find("| (") == std::string::npos) continue;
    CAPTURE(line);
    CHECK(fs::exists(kRoot / "include/moe" / named[0]));
    CHECK(fs::exists(kRoot / "tests" / named[1]));
    bool found = false;
    for (const auto& entry : fs::directory_iterator((kRoot / "golden" / named[2]).parent_path()))
      found =
          found || read_text(entry.path().string()).find("\"id\": \"" + named[2] + '"') != std::string::npos;
    CHECK(found);
    ++rows;
  }
  CHECK(rows == 20);
}
