#include <fstream>
#include <set>

#include "../src/check/judging.h"
#include "moe/corpus.h"
#include "scratch.h"

using namespace moe;

namespace {
const auto kSilent = [](Index, Index) {};
}

TEST_CASE(
    "corpus: ids are unique and name their folder, every flag has a note, every note a use, every case a "
    "purpose") {
  std::set<std::string> ids, used{"Written"};
  Index cases = 0;
  for (const GoldenFile& file : corpus())
    for (const GoldenCase& c : file.cases) {
      CAPTURE(c.id);
      ++cases;
      CHECK(ids.insert(c.id).second);
      CHECK(c.id.substr(0, c.id.find('/')) == file.path.substr(0, file.path.find('/')));
      CHECK(!c.comment.empty());
      CHECK(!c.source.empty());
      CHECK((c.invalid || !c.catches.empty()));
      CHECK(!c.flags.empty());
      for (const std::string& flag : c.flags) CHECK(golden_notes().contains(flag));
      used.insert(c.flags.begin(), c.flags.end());
    }
  for (const auto& [flag, note] : golden_notes().items()) CHECK(used.count(flag) == 1);
  CHECK(cases >= 80);
}

TEST_CASE("corpus: one changed digit, a missing file, stale digests and a stale manifest are found") {
  const Scratch folder;
  std::vector<GoldenFile> files = corpus();
  std::erase_if(
      files, [](const GoldenFile& file) {  // the rest only takes time: `golden verify` has a test of its own
        return !(file.path.starts_with("worked/") || file.path.starts_with("ties/"));
      });
  const CorpusTotals written = write_corpus(folder / "golden", files, kSilent);
  const std::string path = folder / "golden/worked/layer.json";
  std::string text = read_text(path);
  text[text.find("0.34172201381969813") + 18] = '4';
  std::ofstream(path) << text;
  const CorpusTotals changed = verify_corpus(folder / "golden", files, "worked/layer", kSilent);
  REQUIRE(changed.different == 1);
  CHECK(changed.differences[0].find("worked/layer.json:") != std::string::npos);
  CHECK(changed.cases == 1);
  std::filesystem::remove(path);
  CHECK(verify_corpus(folder / "golden", files, "worked/layer", kSilent)
            .differences.at(0)
            .find("must be a readable file") != std::string::npos);
  std::ofstream(folder / "golden/manifest.json") << "{}";
  std::string digests = read_text(folder / "golden/exact/digests.json");
  digests.back() = ' ';
  std::ofstream(folder / "golden/exact/digests.json") << digests;
  CHECK(verify_corpus(folder / "golden", files, "", kSilent).different ==
        3);  // and all else is as it was written
  CHECK(error_of([&] { verify_corpus(folder / "golden", files, "no/such", kSilent); }) ==
        "ID = \"no/such\" must be a case id (golden list) or a golden file");
  CHECK(written.numbers == written.proven);
}

TEST_CASE("corpus: other decisions are searched in every layer but those of a real model's size") {
  for (const GoldenFile& file : corpus())
    for (const GoldenCase& c : file.cases) {
      if (c.invalid) continue;
      CAPTURE(c.id);
      const bool full = c.id.starts_with("full/");
      CHECK(evaluations_allowed(config_from_json(c.config), 512) == (full ? 0 : 512));
    }
}
