#pragma once

#include <string>

#include "moe/error.h"

namespace moe {

/// What `act` throws, as text; empty where it throws nothing.
template <typename Act>
std::string message_of(Act act) {
  try {
    act();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

}  // namespace moe
