#include "../support.h"
#include "moe/backend.h"
#include "moe/parallel.h"
#include "threads.h"

using namespace moe;

TEST_CASE("reference: the same bits for any number of threads, and as one thread from end to end") {
  for (const std::string preset : {"dense", "shazeer2017", "gshard", "switch", "mixtral", "deepseek_v3"}) {
    std::vector<std::string> sets{"shape.num_tokens=480", "shape.hidden_size=64", "shape.ffn_size=80"};
    if (preset == "deepseek_v3") sets.emplace_back("shape.num_experts=64");
    const Config config = load_config(preset, sets).config;
    Inputs inputs = seeded_inputs(config);
    for (auto& [id, a] : inputs) a = materialized(std::move(a));
    const Arrays alone = evaluate<double>(config, inputs, nullptr, true);
    CAPTURE(preset);
    CHECK((loop_for(config) == in_parallel));
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
