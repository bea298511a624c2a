// memory_growth D F E K T DTYPE   what backend cpu keeps resident for a Mixtral layer: prints one JSON object of bytes
//   inputs   the weights as they lie in a file, bf16
//   loaded   what loading the layer adds: packed weights
//   batch    what its first batch adds: stages
//   again    what the same batch adds once more

#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "../../cli/workload.h"
#include "moe/backend.h"
#include "moe/validate.h"

namespace {

double resident() {
  malloc_trim(0);
  std::ifstream file("/proc/self/statm");
  double size = 0, pages = 0;
  file >> size >> pages;
  return pages * static_cast<double>(sysconf(_SC_PAGESIZE));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) return std::fprintf(stderr, "usage: memory_growth D F E K T f32|bf16\n"), 2;
  try {
    const auto number = [&](int i) { return static_cast<moe::Index>(std::stoll(argv[i])); };
    moe::Config config;
    config.shape = {number(5), number(1), number(2), number(3), number(4)};
    config.router.renorm = moe::Renorm::Sum;
    config.experts = {true, moe::Activation::Silu, moe::ExpertBias::None};
    moe::validate(config);
    const moe::Format dtype = std::string(argv[6]) == "bf16" ? moe::Format::BF16 : moe::Format::F32;
    const double start = resident();
    const moe::Inputs weights = moe::cli::weights_for(config);
    const double inputs = resident();
    const auto layer = moe::load_on(moe::backend_called("cpu"), config, weights, dtype);
    const double loaded = resident();
    const moe::Inputs batch = moe::cli::batch_for(config, moe::cli::Load::Balanced, 0);
    const double before = resident();
    layer->forward(batch);
    const double after = resident();
    layer->forward(batch);
    std::printf("{\"inputs\": %.0f, \"loaded\": %.0f, \"batch\": %.0f, \"again\": %.0f}\n", inputs - start,
                loaded - inputs, after - before, resident() - after);
    return 0;
  } catch (const std::exception& e) {
    return std::fprintf(stderr, "memory_growth: %s\n", e.what()), 1;
  }
}
