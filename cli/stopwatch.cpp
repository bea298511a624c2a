#include "stopwatch.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <boost/math/statistics/univariate_statistics.hpp>
#include <chrono>
#include <cmath>

namespace moe::cli {
namespace {

/// Keeps the samples, by the names that `seconds_by_round` gave.
class Samples final : public benchmark::BenchmarkReporter {
 public:
  explicit Samples(std::size_t functions) : of(functions) {}
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs)
      if (run.run_type == Run::RT_Iteration)
        of.at(std::stoul(run.run_name.function_name))
            .push_back(run.real_accumulated_time / static_cast<double>(run.iterations));
  }

  std::vector<std::vector<double>> of;
};

void initialize_once() {
  static const bool done = [] {
    std::string program = "moe-oracle", flag = "--benchmark_enable_random_interleaving=true";
    std::array arguments{program.data(), flag.data()};
    int count = static_cast<int>(arguments.size());
    benchmark::Initialize(&count, arguments.data());
    return true;
  }();
  static_cast<void>(done);
}

}  // namespace

std::vector<std::vector<double>> seconds_by_round(const std::vector<std::function<void()>>& functions,
                                                  int rounds, double least_seconds) {
  initialize_once();
  benchmark::ClearRegisteredBenchmarks();
  for (std::size_t i = 0; i < functions.size(); ++i) {
    const auto start = std::chrono::steady_clock::now();
    functions[i]();
    const double once = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    benchmark::RegisterBenchmark(std::to_string(i).c_str(),
                                 [&f = functions[i]](benchmark::State& state) {
                                   for ([[maybe_unused]] auto _ : state) f();
                                 })
        ->Iterations(std::max(1, static_cast<int>(std::ceil(least_seconds / once))))
        ->UseRealTime();
  }
  Samples samples(functions.size());
  for (int round = 0; round < rounds; ++round) benchmark::RunSpecifiedBenchmarks(&samples);
  return samples.of;
}

double median(std::vector<double> samples) { return boost::math::statistics::median(samples); }

}  // namespace moe::cli
