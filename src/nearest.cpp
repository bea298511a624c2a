#include "moe/nearest.h"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <utility>

namespace moe {
namespace {

/// How many letters must be left out, put in, changed, or exchanged with their neighbour (Damerau 1964), row by row.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> above, row(b.size() + 1), below(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    below[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      below[j] = std::min({row[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1), row[j] + 1, below[j - 1] + 1});
      const bool exchanged = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (exchanged) below[j] = std::min(below[j], above[j - 2] + 1);
    }
    above = std::exchange(row, below);
  }
  return row.back();
}

std::string in_small_letters(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

std::vector<std::string> nearest(const std::string& name, const std::vector<std::string>& names) {
  std::vector<std::string> best;
  if (name.empty() || name.size() > 100) return best;  // nobody misspells at such length
  const std::string small = in_small_letters(name);
  std::size_t least = name.size() / 3;
  for (const std::string& known : names)
    if (const std::size_t d = distance(small, in_small_letters(known)); d <= least) {
      if (d < least) best.clear();
      best.push_back(known), least = d;
    }
  if (!best.empty()) return best;
  for (const std::string& known : names)
    if (in_small_letters(known).starts_with(small)) best.push_back(known);
  return best;
}

std::string did_you_mean(const std::string& name, const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 5;
  const std::vector<std::string> best = nearest(name, names);
  std::string text;
  for (std::size_t i = 0; i < std::min(best.size(), kMost); ++i) {
    const char* before = i == 0 ? "; did you mean " : i + 1 == best.size() ? " or " : ", ";
    text += before + best[i];
  }
  if (best.size() > kMost) text += " or one of " + std::to_string(best.size() - kMost) + " more";
  return text.empty() ? "" : text + '?';
}

std::string enumerated(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace moe
