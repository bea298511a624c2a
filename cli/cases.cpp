#include <algorithm>
#include <filesystem>

#include "moe/corpus.h"
#include "moe/file.h"
#include "moe/nearest.h"
#include "verbs.h"

namespace moe::cli {
namespace {

/// The golden files in a folder and below it, by their names; other JSON, such as a manifest, is none.
std::vector<std::string> golden_files(const std::string& folder) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (const std::string path = entry.path().string(); path.ends_with(".json")) {
      const Json json = parse_json(read_text(path), path);
      if (json.is_object() && json.value("format", Json()) == "moe-golden") paths.push_back(path);
    }
  if (paths.empty()) throw Error("CASE", "CASE = " + shown(folder) + " must be a folder with golden files");
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace

std::vector<CheckCase> cases_of(const std::string& name, const Answer* answer, std::uint64_t seed) {
  if (name.ends_with(".json") || std::filesystem::is_regular_file(name))
    return read_check_cases(name, answer);
  if (name.starts_with("random/"))
    return {random_case(parse_index("CASE", name.substr(7), 0, 999'999), seed)};
  if (std::filesystem::is_directory(name)) {
    std::vector<CheckCase> all;
    for (const std::string& path : golden_files(name)) {
      std::vector<CheckCase> some = read_check_cases(path);
      std::move(some.begin(), some.end(), std::back_inserter(all));
    }
    return all;
  }
  if (const std::optional<GoldenFile> file = file_with_case(name)) {
    const std::filesystem::path folder = golden_folder("");
    std::vector<CheckCase> all = read_check_cases((folder / file->path).string());
    std::erase_if(all, [&](const CheckCase& other) { return other.golden.id != name; });
    return all;
  }
  std::vector<std::string> ids;
  for (const GoldenFile& file : corpus())
    for (const GoldenCase& c : file.cases) ids.push_back(c.id);
  throw Error("CASE", "CASE = " + shown(name) +
                          " must be a case id (golden list), a golden file, or a folder of them" +
                          did_you_mean(name, ids));
}

CheckCase case_of(const std::string& name) {
  std::vector<CheckCase> cases = cases_of(name);
  if (cases.size() == 1) return std::move(cases.front());
  throw Error("CASE", "CASE = " + shown(name) + " must be one case, not " + std::to_string(cases.size()) +
                          ": name it by its id");
}

}  // namespace moe::cli
