#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "moe/file.h"

// How the sources are arranged, as docs/DESIGN.md has it.
using namespace moe;

namespace {

namespace fs = std::filesystem;
const fs::path kRoot = MOE_ROOT;

/// The sources of the library and of the program, by their paths from the root.
std::map<std::string, std::string> sources() {
  std::map<std::string, std::string> all;
  for (const char* folder : {"include", "src", "cli"})
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      const std::string end = entry.path().extension().string();
      if (end == ".h" || end == ".cpp" || end == ".cu")
        all[fs::relative(entry.path(), kRoot).string()] = read_text(entry.path().string());
    }
  return all;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// What a file includes of this project, by paths from the root.
std::vector<std::string> included_by(const std::string& path, const std::string& text) {
  std::vector<std::string> all;
  static const std::regex include("\n#include \"([^\"]+)\"");
  for (std::sregex_iterator m(text.begin(), text.end(), include), end; m != end; ++m)
    for (const fs::path& from : {fs::path(path).parent_path(), fs::path("include"), fs::path("src")})
      if (const fs::path to = (from / (*m)[1].str()).lexically_normal(); fs::exists(kRoot / to)) {
        all.push_back(to.string());
        break;
      }
  return all;
}

/// How far out a file stands: the mathematics and its values, the library, the program.
int ring_of(const std::string& path) {
  static const std::set<std::string> inner{"config.h", "params.h",   "inputs.h",  "trace.h",
                                           "tensor.h", "tensors.h",  "array.h",   "error.h",
                                           "random.h", "evaluate.h", "validate.h"};
  if (path.starts_with("include/moe/layer/") || path.starts_with("include/moe/scalar/")) return 0;
  if (path.starts_with("include/moe/") && inner.contains(fs::path(path).filename().string())) return 0;
  return path.starts_with("cli/") ? 2 : 1;
}

}  // namespace

TEST_CASE("house: arrows point inwards only, and headers do not include each other in a circle") {
  const std::map<std::string, std::string> all = sources();
  CHECK(all.size() > 200);
  std::map<std::string, std::vector<std::string>> includes;
  for (const auto& [path, text] : all) {
    includes[path] = included_by(path, '\n' + text);
    for (const std::string& to : includes[path]) {
      CAPTURE(path);
      CAPTURE(to);
      CHECK(ring_of(to) <= ring_of(path));
    }
  }
  // Whoever includes nothing that is left is taken away, until nothing is: what stays has a circle.
  std::map<std::string, std::vector<std::string>> left = includes;
  for (std::size_t before = left.size() + 1; left.size() < before;) {
    before = left.size();
    std::erase_if(left, [&](const auto& file) {
      return std::none_of(file.second.begin(), file.second.end(),
                          [&](const std::string& to) { return left.contains(to); });
    });
  }
  for (const auto& [path, to] : left) FAIL_CHECK(path << " is part of a circle of includes");
}

TEST_CASE("house: the inner ring knows no JSON, no file, no thread, no clock and no backend") {
  static const std::regex outside(
      "\n#include <(nlohmann|filesystem|fstream|thread|chrono|omp\\.h|dnnl|cuda|zip\\.h|CLI)[^>]*>");
  for (const auto& [path, text] : sources()) {
    if (ring_of(path) != 0) continue;
    CAPTURE(path);
    std::smatch found;
    CHECK(!std::regex_search(text, found, outside));
  }
}

TEST_CASE("house: no file is longer than 400 lines, no line of code than 120 columns") {
  std::map<std::string, std::string> all = sources();
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / "tests"))
    if (entry.path().extension() == ".cpp" || entry.path().extension() == ".h")
      all[fs::relative(entry.path(), kRoot).string()] = read_text(entry.path().string());
  for (const auto& [path, text] : all) {
    CAPTURE(path);
    const std::vector<std::string> lines = lines_of(text);
    CHECK(lines.size() <= 400);
    for (const std::string& line : lines) {
      CAPTURE(line);
      const std::size_t start = line.find_first_not_of(' ');
      const bool comment = start != std::string::npos && line.compare(start, 2, "//") == 0;
      const auto columns = std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; });
      CHECK((comment || columns <= 120 || path.starts_with("tests/")));  // which hold data as it is
    }
  }
}

TEST_CASE("house: conventions are asked about, and not compared with") {
  const std::string config = sources().at("include/moe/config.h");
  static const std::regex declared("enum class (\\w+)");
  std::string enums;
  for (std::sregex_iterator m(config.begin(), config.end(), declared), end; m != end; ++m)
    enums += (enums.empty() ? "" : "|") + (*m)[1].str();
  CHECK(enums.find("ScoreFunction|Renorm|") == 0);
  const std::regex compares("[=!]= ?(moe::)?(" + enums + ")::");
  // On a device there are no functions of the host.
  const std::set<std::string> excepted{"src/backends/cuda/rows.cu"};
  for (const auto& [path, text] : sources()) {
    if (excepted.contains(path)) continue;
    for (const std::string& line : lines_of(text)) {
      CAPTURE(path);
      CAPTURE(line);
      CHECK(!std::regex_search(line, compares));
    }
  }
}
