#include <limits>

#include "families.h"

// What has no meaning and must be refused: one rule each.
namespace moe {
namespace {

GoldenCase refused(const char* preset, const char* id, const char* comment,
                   std::initializer_list<const char*> sets) {
  CaseBuilder builder(preset, id, comment);
  builder.flag("Invalid");
  for (const char* assignment : sets) builder.set(assignment);
  return builder.invalid();
}

GoldenCase refused_input(const char* id, const char* comment, Tensor tensor, const Dims& dims,
                         const std::vector<double>& values) {
  return CaseBuilder("mixtral", id, comment)
      .flag("Invalid")
      .set("shape.num_tokens=1")
      .set("shape.hidden_size=2")
      .set("shape.ffn_size=1")
      .set("shape.num_experts=2")
      .raw(tensor, dims, values)
      .invalid();
}

}  // namespace

std::vector<GoldenFile> invalid_family() {
  const double infinity = std::numeric_limits<double>::infinity(),
               nan = std::numeric_limits<double>::quiet_NaN();
  return {
      {"invalid/configs.json",
       {
           refused("mixtral", "invalid/k-above-e", "More choices than experts.", {"shape.top_k=5"}),
           refused("mixtral", "invalid/k-zero", "No choice.", {"shape.top_k=0"}),
           refused("mixtral", "invalid/no-experts", "E = 0.", {"shape.num_experts=0", "shape.top_k=0"}),
           refused("mixtral", "invalid/negative-tokens", "T = -1.", {"shape.num_tokens=-1"}),
           refused("mixtral", "invalid/fractional-size", "D = 2.5.", {"shape.hidden_size=2.5"}),
           refused("mixtral", "invalid/oversized", "A tensor of 2^60 elements.",
                   {"shape.hidden_size=1073741824", "shape.ffn_size=1073741824"}),
           refused("mixtral", "invalid/unknown-field", "A field that does not exist.",
                   {"router.temperature=2"}),
           refused("mixtral", "invalid/unknown-value", "A score function that does not exist.",
                   {"router.score_function=softplus"}),
           refused("mixtral", "invalid/meaningless-field", "A capacity factor without a capacity.",
                   {"capacity.factor=1.25"}),
           refused("switch", "invalid/negative-factor", "A negative capacity factor.",
                   {"capacity.factor=-1"}),
           refused("switch", "invalid/unrounded-capacity", "A capacity that is not rounded.",
                   {"capacity.outer_round=none"}),
           refused("switch", "invalid/multiple-of-zero", "A multiple of 0.", {"capacity.multiple_of=0"}),
           refused("switch", "invalid/negative-minimum", "A negative minimum.", {"capacity.min_capacity=-1"}),
           refused("mixtral", "invalid/negative-capacity", "A negative capacity.",
                   {"capacity.mode=fixed", "capacity.fixed=-1"}),
           refused("mixtral", "invalid/scaled-identity-of-two", "Which of two weights would scale the token?",
                   {"capacity.mode=fixed", "capacity.fixed=1", "capacity.dropped_output=scaled_identity"}),
           refused("mixtral", "invalid/scaled-identity-after-drop", "A weight that is 0 by then.",
                   {"shape.top_k=1", "router.renorm_stage=after_drop", "capacity.mode=fixed",
                    "capacity.fixed=1", "capacity.dropped_output=scaled_identity"}),
           refused("dense", "invalid/dense-with-experts", "Two experts and no router.",
                   {"shape.num_experts=2"}),
           refused("dense", "invalid/dense-with-capacity", "A capacity and no router.",
                   {"capacity.mode=fixed", "capacity.fixed=1"}),
           refused("dense", "invalid/dense-with-loss", "A loss of a router that is not there.",
                   {R"(aux=[{"name":"z","kind":"z","coefficient":1}])"}),
           refused(
               "mixtral", "invalid/two-losses-of-one-name", "Two losses that no one could tell apart.",
               {R"(aux=[{"name":"z","kind":"z","coefficient":1},{"name":"z","kind":"z","coefficient":2}])"}),
           refused("mixtral", "invalid/loss-name", "A name that no file could hold.",
                   {R"(aux=[{"name":"z loss","kind":"z","coefficient":1}])"}),
       }},
      {"invalid/inputs.json",
       {
           refused_input("invalid/x-shape", "x of another width.", Tensor::x, {1, 3}, {1, 2, 3}),
           refused_input("invalid/x-nan", "A NaN in x.", Tensor::x, {1, 2}, {1, nan}),
           refused_input("invalid/weight-infinite", "An infinite weight.", Tensor::router_weight, {2, 2},
                         {1, 0, infinity, 1}),
           refused_input("invalid/unexpected-tensor", "A bias that this expert does not have.",
                         Tensor::experts_up_bias, {2, 1}, {0, 0}),
       }},
  };
}

}  // namespace moe
