#include <atomic>

#include "backends/threads.h"
#include "moe/load.h"
#include "moe/parallel.h"
#include "support.h"

using namespace moe;

namespace {

/// How often in_parallel comes to each i of [0, n).
std::vector<int> visits(Index n) {
  std::vector<int> times(static_cast<std::size_t>(n), 0);
  in_parallel(n, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) at(times, i) += 1;
  });
  return times;
}

bool is_parallel(const Config& config) { return loop_for(config) == in_parallel; }

}  // namespace

TEST_CASE("parallel_for: it visits every index once, and throws what one of them threw") {
  std::vector<int> visits(1000, 0);
  parallel_for(1000, [&](Index i) { at(visits, i) += 1; });
  CHECK(visits == std::vector<int>(1000, 1));
  CHECK_THROWS_WITH_AS(parallel_for(100, [](Index i) { require(i != 42, "i", i, "must not be 42"); }),
                       "i = 42 must not be 42", Error);
  parallel_for(0, [](Index) { FAIL("there is nothing to visit"); });
}

TEST_CASE("in_parallel: every index once, for any number of threads") {
  for (const int threads : {1, 2, 3, 7})
    for (const Index n : {0, 1, 2, 5, 8, 13, 1000}) {
      const Threads scope(threads);
      CAPTURE(threads);
      CAPTURE(n);
      CHECK(visits(n) == std::vector<int>(static_cast<std::size_t>(n), 1));
    }
}

TEST_CASE("in_parallel: what a piece throws reaches the caller, after the others") {
  const Threads scope(2);
  std::atomic<Index> met = 0;
  CHECK_THROWS_WITH_AS(in_parallel(100,
                                   [&](Index first, Index last) {
                                     met += last - first;
                                     if (first == 0) throw std::runtime_error("the first piece");
                                   }),
                       "the first piece", std::runtime_error);
  CHECK(met == 100);
}

TEST_CASE("in_parallel: a caller that is one of several threads goes through alone") {
  const Threads scope(2);
  std::atomic<int> pieces = 0;
#pragma omp parallel
  in_parallel(100, [&](Index first, Index last) { pieces += last - first == 100 ? 1 : 100; });
  CHECK(pieces == 2);
}

TEST_CASE("loop_for: threads are woken for linear maps that are worth it") {
  CHECK(!is_parallel(load_config("mixtral").config));
  CHECK(!is_parallel(load_config("mixtral", {"shape.num_tokens=0"}).config));
  CHECK(is_parallel(load_config("mixtral", {"shape.hidden_size=512", "shape.ffn_size=512"}).config));
}
