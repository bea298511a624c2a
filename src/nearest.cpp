#include "moe/nearest.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace moe {
namespace {

/// The edit distance of Levenshtein (1966), row by row.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string nearest(const std::string& name, const std::vector<std::string>& names) {
  std::string best;
  std::size_t least = name.size() / 3 + 1;
  if (name.size() > 100) return best;  // nobody misspells at such length
  for (const std::string& known : names)
    if (const std::size_t d = distance(name, known); d < least) best = known, least = d;
  return best;
}

std::string did_you_mean(const std::string& name, const std::vector<std::string>& names) {
  const std::string best = nearest(name, names);
  return best.empty() ? "" : "; did you mean " + best + '?';
}

}  // namespace moe
