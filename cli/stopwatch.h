#pragma once

#include <functional>
#include <vector>

namespace moe::cli {

/// [f][r]: the seconds of one run of function f in round r, by Google Benchmark. A round has one sample of each function, in
/// a random order, so that what else the machine does meets all alike; a sample is as many runs as take `least_seconds`.
std::vector<std::vector<double>> seconds_by_round(const std::vector<std::function<void()>>& functions,
                                                  int rounds, double least_seconds);

/// The upper one of two in the middle.
double median(std::vector<double> samples);

}  // namespace moe::cli
