#pragma once

#include <functional>
#include <vector>

namespace moe::cli {

/// The median seconds of one run of each of several functions, by Google Benchmark: `repeats` samples of each in a random
/// order, so that what else the machine does meets all alike. A sample is as many runs as take `least_seconds`.
std::vector<double> median_seconds(const std::vector<std::function<void()>>& functions, int repeats,
                                   double least_seconds);

}  // namespace moe::cli
