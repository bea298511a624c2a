#include "moe/corpus.h"

#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <sstream>

#include "families.h"
#include "moe/digests.h"
#include "moe/encode.h"
#include "moe/file.h"
#include "moe/nearest.h"
#include "moe/tensor_json.h"
#include "moe/version.h"

namespace moe {
namespace {

std::string in_folder(const std::string& folder, const std::string& path) {
  return (std::filesystem::path(folder) / path).string();
}

Json built_with(int bits) {
#if defined(__clang__)
  const std::string compiler = std::string("clang++ ") + __clang_version__;
#else
  const std::string compiler = std::string("g++ ") + __VERSION__;
#endif
  return {{"moe-oracle", kVersion}, {"compiler", compiler}, {"library", ball_library()}, {"bits", bits}};
}

/// The manifest grows with the files and is complete with the last.
class Manifest {
 public:
  void add(const GoldenFile& file, const RenderedFile& rendered) {
    files_.push_back({{"path", file.path},
                      {"cases", file.cases.size()},
                      {"numbers", rendered.numbers},
                      {"bytes", rendered.text.size()},
                      {"sha256", sha256(rendered.text)}});
    bits_ = std::max(bits_, rendered.bits);
  }
  Json json(const CorpusTotals& totals) const {
    return {{"format", "moe-golden-manifest"},
            {"licence", "CC0-1.0"},
            {"cases", totals.cases},
            {"numbers", totals.numbers},
            {"proven", totals.proven},
            {"refused", totals.numbers - totals.proven},
            {"files", files_},
            {"built_with", built_with(bits_)}};
  }

 private:
  Json files_ = Json::array();
  int bits_ = 0;
};

std::string hex(std::uint32_t word) {
  std::ostringstream text;
  text << "0x" << std::hex << std::setw(8) << std::setfill('0') << word;
  return text.str();
}

/// The generator in numbers: Random123's known answers, and the first seeded values of x.
std::string philox_json() {
  Json answers = Json::array(), first = Json::array();
  const std::uint32_t all = 0xffffffff;
  const auto answer = [&](std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
    Json c = Json::array(), k = Json::array(), r = Json::array();
    for (const std::uint32_t word : counter) c.push_back(hex(word));
    for (const std::uint32_t word : key) k.push_back(hex(word));
    for (const std::uint32_t word : philox4x32_10(counter, key)) r.push_back(hex(word));
    answers.push_back({{"counter", c}, {"key", k}, {"result", r}});
  };
  answer({0, 0, 0, 0}, {0, 0});
  answer({all, all, all, all}, {all, all});
  answer({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0});
  for (std::uint64_t i = 0; i < 8; ++i) first.push_back(Recipe{{kDefaultSeed, 1, 0}, 6}.value(i));
  return print_json(
      {{"rng", "philox4x32-10"},
       {"licence", "CC0-1.0"},
       {"counter", "[lo32(i >> 2), hi32(i >> 2), tensor, case], word i & 3 of the result"},
       {"key", "[lo32(seed), hi32(seed)]"},
       {"value", "(int32(word) >> 24) * 2^scaleLog2"},
       {"knownAnswers", answers},
       {"example",
        {{"seed", "0x00000007000007e8"}, {"tensor", 1}, {"case", 0}, {"scaleLog2", -6}, {"values", first}}}});
}
constexpr const char* kPhiloxPath = "rng/philox.json";

void write_text(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  OutputFile file(path);
  file.write(text);
  file.commit();
}

void count(const GoldenFile& file, const RenderedFile& rendered, CorpusTotals& totals) {
  ++totals.files;
  totals.cases += static_cast<Index>(file.cases.size());
  totals.numbers += rendered.numbers;
  totals.proven += rendered.proven;
}

/// "path:line: have ..., proven ..." for the first line that differs, or nothing.
std::string first_difference(const std::string& path, const std::string& have, const std::string& want) {
  if (have == want) return "";
  std::istringstream a(have), b(want);
  std::string left, right;
  for (int line = 1;; ++line) {
    const bool more_left = static_cast<bool>(std::getline(a, left)),
               more_right = static_cast<bool>(std::getline(b, right));
    if (!more_left && !more_right)
      return path + ": has " + std::to_string(have.size()) + " bytes, proven are " +
             std::to_string(want.size());
    if (more_left != more_right || left != right) {
      std::size_t from = 0;
      while (more_left && more_right && from < std::min(left.size(), right.size()) &&
             left[from] == right[from])
        ++from;
      from -= std::min<std::size_t>(from, 20);
      return path + ':' + std::to_string(line) + ": has " +
             (more_left ? shown(left.substr(from)) : "nothing") + ", proven is " +
             (more_right ? shown(right.substr(from)) : "nothing");
    }
  }
}

void compare(const std::string& path, const RenderedFile& rendered, CorpusTotals& totals) {
  std::string difference;
  try {
    difference = first_difference(path, read_text(path), rendered.text);
    if (difference.empty() && !rendered.sidecar.empty()) {
      const SafetensorsFile sidecar(sidecar_path(path));
      for (const auto& [name, a] : rendered.sidecar)
        if (sidecar.load(name).bytes != a.bytes)
          difference = sidecar.path() + ": " + name + " has other bytes";
    }
  } catch (const Error& e) {
    difference = e.what();
  }
  if (difference.empty()) return;
  ++totals.different;
  totals.differences.push_back(std::move(difference));
}

void compare_manifest(const std::string& path, Json want, CorpusTotals& totals) {
  try {
    Json have = parse_json(read_text(path), path);
    if (!have.is_object()) throw Error(path, path + ": must be an object");
    const Json built = have.value("built_with", Json::object());
    for (const auto& [key, value] : built.items())
      totals.built_with += (totals.built_with.empty() ? "" : ", ") + key + ' ' +
                           (value.is_string() ? value.get<std::string>() : value.dump());
    have.erase("built_with"), want.erase("built_with");
    if (have == want) return;
    totals.differences.push_back(path + ": does not list these files and counts");
  } catch (const Error& e) {
    totals.differences.emplace_back(e.what());
  }
  ++totals.different;
}

constexpr std::vector<GoldenFile> (*kFamilies[])() = {
    presets_family,   worked_family,  load_family,   ties_family,    shapes_family,
    experts_family,   range_family,   groups_family, noise_family,   capacity_family,
    losses_family,    blocks_family,  router_family, output_family,  sinks_family,
    norms_family,     models_family,  spread_family, draws_family,   counts_family,
    remaining_family, crossed_family, exact_family,  invalid_family, full_family};

void add_files(std::vector<GoldenFile> (*family)(), std::vector<GoldenFile>& files) {
  for (GoldenFile& file : family()) {
    for (GoldenCase& c : file.cases) c.detection = !c.invalid && !c.results_only;
    files.push_back(std::move(file));
  }
}

}  // namespace

std::vector<GoldenFile> corpus() {
  std::vector<GoldenFile> files;
  for (const auto family : kFamilies) add_files(family, files);
  return files;
}

std::optional<GoldenFile> file_with_case(const std::string& id) {
  for (const bool costly : {false, true})  // crossing conventions takes longer than all the rest
    for (const auto family : kFamilies) {
      if ((family == crossed_family) != costly) continue;
      std::vector<GoldenFile> files;
      add_files(family, files);
      for (GoldenFile& file : files)
        if (std::any_of(file.cases.begin(), file.cases.end(),
                        [&](const GoldenCase& c) { return c.id == id; }))
          return std::move(file);
    }
  return std::nullopt;
}

CorpusTotals write_corpus(const std::string& folder, const std::vector<GoldenFile>& files,
                          const CasesDone& done) {
  CorpusTotals totals;
  Manifest manifest;
  render_all(files, done, [&](const GoldenFile& file, const RenderedFile& rendered) {
    const std::string path = in_folder(folder, file.path);
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    write_golden(path, rendered);
    manifest.add(file, rendered);
    count(file, rendered, totals);
  });
  write_text(in_folder(folder, kPhiloxPath), philox_json());
  write_text(in_folder(folder, kDigestsPath), digests_json());
  write_text(in_folder(folder, "manifest.json"), print_json(manifest.json(totals)));
  return totals;
}

CorpusTotals verify_corpus(const std::string& folder, std::vector<GoldenFile> files, const std::string& id,
                           const CasesDone& done) {
  std::vector<std::string> ids;
  for (const GoldenFile& file : files)
    for (const GoldenCase& c : file.cases) ids.push_back(c.id);
  std::erase_if(files, [&](const GoldenFile& file) {
    return !id.empty() && std::none_of(file.cases.begin(), file.cases.end(),
                                       [&](const GoldenCase& c) { return c.id == id; });
  });
  if (files.empty())
    throw Error("ID", "ID = " + shown(id) + " must be a case id (golden list) or a golden file" +
                          did_you_mean(id, ids));
  CorpusTotals totals;
  Manifest manifest;
  render_all(files, done, [&](const GoldenFile& file, const RenderedFile& rendered) {
    compare(in_folder(folder, file.path), rendered, totals);
    manifest.add(file, rendered);
    count(file, rendered, totals);
  });
  if (!id.empty()) return totals;
  compare(in_folder(folder, kPhiloxPath), {philox_json(), {}}, totals);
  compare(in_folder(folder, kDigestsPath), {digests_json(), {}}, totals);
  compare_manifest(in_folder(folder, "manifest.json"), manifest.json(totals), totals);
  return totals;
}

CorpusTotals verify_file(const std::string& path, const CasesDone& done) {
  CorpusTotals totals;
  render_all({read_golden(path)}, done, [&](const GoldenFile& file, const RenderedFile& rendered) {
    compare(path, rendered, totals);
    count(file, rendered, totals);
  });
  return totals;
}

}  // namespace moe
