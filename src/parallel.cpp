#include "moe/parallel.h"

#include <omp.h>

#include <exception>

namespace moe {
namespace {

// Multiply-adds: some hundred microseconds. Threads wake in a few, but where others keep the cores busy in far more.
constexpr double kWorthIt = 1 << 18;
constexpr Index kPieces = 4;  // a thread, so that one that is late has less left to do

}  // namespace

void in_parallel(Index n, const Piece& piece) {
  const Index pieces = omp_in_parallel() != 0 ? 1 : std::min(n, kPieces * omp_get_max_threads());
  std::exception_ptr failed;
#pragma omp parallel for schedule(dynamic) if (pieces > 1)
  for (Index i = 0; i < pieces; ++i) try {
      piece(n * i / pieces, n * (i + 1) / pieces);
    } catch (...) {
#pragma omp critical(moe_parallel_failed)
      if (!failed) failed = std::current_exception();
    }
  if (failed) std::rethrow_exception(failed);
}

Loop loop_for(const Config& config) {
  const auto [T, D, F, E, K] = Letters(config);
  const double rows = std::max(1.0, static_cast<double>(T * K) / static_cast<double>(E));
  return rows * static_cast<double>(D) * static_cast<double>(F) < kWorthIt ? in_one_piece : in_parallel;
}

}  // namespace moe
