#include "moe/parallel.h"

#include <omp.h>

#include <exception>

namespace moe {
namespace {

// Multiply-adds: some hundred microseconds. Threads wake in a few, but where others keep the cores busy in far more.
constexpr double kWorthIt = 1 << 18;
constexpr Index kPieces = 4;  // a thread, so that one that is late has less left to do

}  // namespace

void parallel_for(Index n, const std::function<void(Index)>& f) {
  std::exception_ptr failed;
#pragma omp parallel for schedule(dynamic, 1)
  for (Index i = 0; i < n; ++i) try {
      f(i);
    } catch (...) {
#pragma omp critical(moe_parallel_failed)
      if (!failed) failed = std::current_exception();
    }
  if (failed) std::rethrow_exception(failed);
}

void in_parallel(Index n, const Piece& piece) {
  const Index pieces = std::min(n, kPieces * omp_get_max_threads());
  if (omp_in_parallel() != 0 || pieces <= 1) return piece(0, n);
  parallel_for(pieces, [&](Index i) { piece(n * i / pieces, n * (i + 1) / pieces); });
}

Loop loop_for(const Config& config) {
  const auto [T, D, F, E, K] = Letters(config);
  const double rows = std::max(1.0, static_cast<double>(T * K) / static_cast<double>(E));
  return rows * static_cast<double>(D) * static_cast<double>(F) < kWorthIt ? in_one_piece : in_parallel;
}

}  // namespace moe
