#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "verbs.h"

namespace moe::cli {
namespace {

namespace fs = std::filesystem;

bool is_corpus(const fs::path& folder) {
  std::error_code unreadable;
  return fs::is_regular_file(folder / "manifest.json", unreadable);
}

/// The source folder that a build folder belongs to, or nothing.
fs::path source_of_build(const fs::path& build) {
  const std::string key = "moe-oracle_SOURCE_DIR:STATIC=";
  std::ifstream cache(build / "CMakeCache.txt");
  for (std::string line; std::getline(cache, line);)
    if (line.starts_with(key)) return line.substr(key.size());
  return {};
}

/// The corpus beside the installed program, or that of the sources in whose build folder the program lies.
fs::path corpus_of(const fs::path& program) {
  const fs::path folder = program.parent_path();
  if (const fs::path installed = folder / MOE_GOLDEN_FROM_PROGRAM; is_corpus(installed))
    return installed.lexically_normal();
  for (fs::path above = folder; above.has_relative_path(); above = above.parent_path())
    if (is_corpus(above / "golden")) return above / "golden";
  for (fs::path above = folder; above.has_relative_path(); above = above.parent_path())
    if (const fs::path source = source_of_build(above); !source.empty() && is_corpus(source / "golden"))
      return source / "golden";
  return {};
}

}  // namespace

std::string golden_folder(const std::string& out) {
  if (!out.empty()) {
    std::error_code failed;
    if (!fs::is_directory(out, failed))
      throw Error("--out", "--out = " + shown(out) + " must be the folder of a corpus");
    return out;
  }
  if (const char* given = std::getenv("MOE_GOLDEN_DIR"); given != nullptr && *given != '\0') {
    if (!is_corpus(given))
      throw Error("MOE_GOLDEN_DIR", "MOE_GOLDEN_DIR = " + shown(given) + " must be the folder of a corpus");
    return given;
  }
  if (is_corpus("golden")) return "golden";
  std::error_code unknown;
  const fs::path found = corpus_of(fs::read_symlink("/proc/self/exe", unknown));
  if (found.empty())
    throw CannotRun("no corpus lies beside this program: MOE_GOLDEN_DIR must name the folder golden");
  return found.string();
}

}  // namespace moe::cli
