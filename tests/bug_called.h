#pragma once

#include "moe/bugs.h"
#include "moe/error.h"

namespace moe {

inline const Bug& bug_called(const std::string& name) {
  for (const Bug& bug : bugs())
    if (bug.name == name) return bug;
  throw Error(name, name + " is no bug");
}

}  // namespace moe
