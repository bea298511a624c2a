#pragma once

#include <sstream>
#include <string>
#include <vector>

#include "moe/tensor.h"

/// Numbers in the sentences of a verdict.
namespace moe {

/// Three digits.
inline std::string short_text(double x) {
  std::ostringstream text;
  text.precision(3);
  text << x;
  return text.str();
}

/// The first three of many: "a, b, c and 4 more".
inline std::string listed(const std::vector<std::string>& all) {
  constexpr std::size_t kMost = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(all.size(), kMost); ++i) text += (i > 0 ? ", " : "") + all[i];
  return all.size() <= kMost ? text : text + " and " + std::to_string(all.size() - kMost) + " more";
}

/// The place of flat index i as people count: [2,17].
inline std::string place(const Dims& dims, Index i) {
  std::string text;
  for (std::size_t d = dims.size(); d-- > 0; i /= dims[d])
    text = std::to_string(i % dims[d]) + (text.empty() ? "" : "," + text);
  return '[' + text + ']';
}

}  // namespace moe
