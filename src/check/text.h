#pragma once

#include <sstream>

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

/// The place of flat index i as people count: [2,17].
inline std::string place(const Dims& dims, Index i) {
  std::string text;
  for (std::size_t d = dims.size(); d-- > 0; i /= dims[d])
    text = std::to_string(i % dims[d]) + (text.empty() ? "" : "," + text);
  return '[' + text + ']';
}

}  // namespace moe
