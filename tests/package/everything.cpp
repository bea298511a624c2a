#include <moe/certify.h>
#include <moe/load.h>

#include <cstdio>

int main() {
  const moe::Config config = moe::load_config("switch", {"shape.num_tokens=5"}).config;
  const moe::Inputs inputs = moe::seeded_inputs(config);
  if (moe::ball_library().empty())
    return moe::evaluate<double>(config, inputs, nullptr, true).empty() ? 1 : 0;
  const moe::Certified proof = moe::certify(config, inputs, {});
  std::printf("%td numbers, %zu refused\n", proof.numbers, proof.refused.size());
  return proof.numbers > 0 && proof.refused.empty() ? 0 : 1;
}
