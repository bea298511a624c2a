#pragma once

#include <string>

namespace moe::cli {

/// Keeps a warning until the verb has done its work: where it fails, its error is the one line that is said.
void warn_later(const std::string& warning);
void print_warnings();

}  // namespace moe::cli
