#include "moe/parallel.h"

#include <omp.h>
#include <pthread.h>
#include <sys/resource.h>

#include <exception>
#include <mutex>
#include <vector>

namespace moe {
namespace {

// Multiply-adds: some hundred microseconds. Threads wake in a few, but where others keep the cores busy in far more.
constexpr double kWorthIt = 1 << 18;
constexpr Index kPieces = 4;  // a thread, so that one that is late has less left to do

constexpr int kMostThreads = 256;  // of more than there are processors

void* wait_at(void* gate) {
  const std::lock_guard open(*static_cast<std::mutex*>(gate));
  return nullptr;
}

/// How many threads can be there at a time, of so many.
int startable(int wanted) {
  std::mutex gate;
  std::vector<pthread_t> started;
  {
    const std::lock_guard closed(gate);
    for (pthread_t thread{}; static_cast<int>(started.size()) < wanted; started.push_back(thread))
      if (::pthread_create(&thread, nullptr, &wait_at, &gate) != 0) break;
  }
  for (const pthread_t thread : started) ::pthread_join(thread, nullptr);
  return static_cast<int>(started.size());
}

bool memory_is_limited() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

}  // namespace

void limit_threads() {
  const int asked = omp_get_max_threads(),
            others = std::min(asked, std::max(omp_get_num_procs(), kMostThreads)) - 1;  // beside this one
  const int given = startable(others);
  // Where there are fewer, half of them: the rest is room for what else needs it.
  const int threads = 1 + (given < others ? given / 2 : others);
  if (threads != asked) omp_set_num_threads(threads);
  if (given == others && !memory_is_limited()) return;
#pragma omp parallel
  static_cast<void>(omp_get_thread_num());  // they start now, while there is room for them
}

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
