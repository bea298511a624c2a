#pragma once

#include "sizing.h"
#include "table.h"
#include "workload.h"

namespace moe::cli {

/// What is to be timed on a device: published layers at numbers of tokens, in formats, under loads.
struct DeviceBench {
  std::string backend;
  std::vector<std::string> models, dtypes;
  std::vector<Index> tokens;
  std::vector<Load> loads;
  bool backward;
  int repeats;
};

/// `bench` for a backend that computes on a device with a clock of its own. Throws CannotRun for one that does not.
int bench_device(const DeviceBench& bench, const Output& output);

}  // namespace moe::cli
