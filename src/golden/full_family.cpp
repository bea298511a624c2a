#include "families.h"

// Published layers at their own size: weights by recipe, of which only the chosen experts' are ever drawn.
namespace moe {

std::vector<GoldenFile> full_family() {
  return {{"full/deepseek-v3.json",
           {CaseBuilder("deepseek_v3", "full/deepseek-v3-two-tokens",
                        "DeepSeek-V3 at D 7168, F 2048, E 256, K 8, its shared expert included: two tokens.")
                .flag("FullSize")
                .catches("offsets into the experts' weights kept in 32 bits")
                .set("shape.num_tokens=2")
                .set("shape.hidden_size=7168")
                .set("shape.ffn_size=2048")
                .set("shape.num_experts=256")
                .set("shared.ffn_size=2048")
                .results_only()}}};
}

}  // namespace moe
