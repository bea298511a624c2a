#include "families.h"

// Logits of a size that plain exponentials do not survive.
namespace moe {
namespace {

CaseBuilder range(const char* id, const char* comment) {
  return CaseBuilder("switch", id, comment)
      .flag("Range")
      .set("shape.ffn_size=2")
      .set("capacity.mode=none")
      .set("aux.load_balance.coefficient=0.5")
      .set("aux.z.coefficient=0.25");
}

}  // namespace

std::vector<GoldenFile> range_family() {
  return {
      {"range/logits.json",
       {range("range/large-logits", "Logits up to 10,000, the largest in each place.")
            .catches("exponentials that are not taken relative to the largest logit")
            .logits({{10000, 9999, -10000, 0}, {0, 1000, 999, 998}, {-1000, 0, 10000, 1}, {0, -1, 1, 10000}}),
        range("range/negative-logits", "All logits below -1,000: their exponentials underflow alike.")
            .catches("a softmax of 0 / 0")
            .logits({{-10000, -1000, -9000, -9001}, {-10000, -9998, -9999, -9998.5}})}}};
}

}  // namespace moe
