#include <atomic>

#include "../support.h"
#include "moe/backend.h"
#include "moe/parallel.h"
#include "threads.h"

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

TEST_CASE("reference: the same bits for any number of threads, and as one thread from end to end") {
  for (const std::string preset : {"dense", "shazeer2017", "gshard", "switch", "mixtral", "deepseek_v3"}) {
    std::vector<std::string> sets{"shape.num_tokens=480", "shape.hidden_size=64", "shape.ffn_size=80"};
    if (preset == "deepseek_v3") sets.emplace_back("shape.num_experts=64");
    const Config config = load_config(preset, sets).config;
    Inputs inputs = seeded_inputs(config);
    for (auto& [id, a] : inputs) a = materialized(std::move(a));
    const Arrays alone = evaluate<double>(config, inputs, nullptr, true);
    CAPTURE(preset);
    CHECK(is_parallel(config));
    for (const int threads : {1, 2, 3}) {
      const Threads scope(threads);
      CAPTURE(threads);
      CHECK(other_bits(evaluate_on(backend_called("reference"), config, inputs, Format::F64, true), alone) ==
            "");
    }
  }
}

TEST_CASE("reference: threads report progress one at a time, and none of it is lost") {
  const Threads scope(3);
  const Config config = load_config("mixtral", {"shape.num_tokens=64"}).config;
  const auto reports = [&](Loop loop) {
    std::vector<double> shares;
    const auto progress = [&](double share) { shares.push_back(share); };
    evaluate<double>(config, seeded_inputs(config), nullptr, true, progress, loop);
    return shares;
  };
  CHECK(reports(in_parallel) == reports(in_one_piece));
}
