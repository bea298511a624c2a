#pragma once

#include "moe/checkpoint_count.h"
#include "sizing.h"

namespace moe::cli {

/// Prints what the checkpoint at options.model holds.
void print_checkpoint(const ModelOptions& options);

/// Prints in which components the model and the checkpoint at `path` differ, with the tensors of those. Exit code 0 where they are
/// equal, else 1.
int print_against(const ModelOptions& options, const NamedModel& named, const std::string& path);

}  // namespace moe::cli
