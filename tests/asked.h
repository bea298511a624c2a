#pragma once

#include <string>

#include "moe/config.h"

namespace moe {

/// The values of an enum, as configs spell them, for which the answer is yes.
template <typename Enum, typename Question>
std::string yes(Question question) {
  std::string names;
  for (std::size_t i = 0; i < kSpelling<Enum>.size(); ++i)
    if (question(static_cast<Enum>(i))) names += (names.empty() ? "" : " ") + std::string(kSpelling<Enum>[i]);
  return names;
}

/// The same of a question about a struct: its field takes each value.
template <typename Struct, typename Enum, typename Question>
std::string yes(Enum Struct::*field, Question question) {
  return yes<Enum>([&](Enum value) {
    Struct of{};
    of.*field = value;
    return question(of);
  });
}

}  // namespace moe
