#pragma once

#include <optional>

#include "moe/golden.h"

/// The corpus: every golden file that the project publishes, written and compared as one.
namespace moe {

/// The files in order; paths are below the corpus' folder.
std::vector<GoldenFile> corpus();

/// The file that holds this case, or nothing.
std::optional<GoldenFile> file_with_case(const std::string& id);

struct CorpusTotals {
  Index files = 0, cases = 0, numbers = 0, proven = 0;
  Index different = 0;                   // files
  std::vector<std::string> differences;  // a line each
  std::string built_with;                // as the manifest tells it; not compared
};

/// Writes `files`, manifest.json and what belongs to it.
CorpusTotals write_corpus(const std::string& folder, const std::vector<GoldenFile>& files,
                          const CasesDone& done);

/// Proves those of `files` again that hold the case `id` (empty: all, and the manifest) and compares bytes. Throws Error where
/// no case has that id.
CorpusTotals verify_corpus(const std::string& folder, std::vector<GoldenFile> files, const std::string& id,
                           const CasesDone& done);

/// The same for one golden file from anywhere, from the inputs that it states.
CorpusTotals verify_file(const std::string& path, const CasesDone& done);

}  // namespace moe
