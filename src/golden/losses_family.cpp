#include <cmath>

#include "families.h"

// Definitions of the auxiliary losses.
namespace moe {
namespace {

CaseBuilder loss(const char* id, const char* comment, const char* catches, const char* aux) {
  return CaseBuilder("mixtral", id, comment).catches(catches).flag("Loss").set("shape.ffn_size=2").set(aux);
}

/// x as a sum of seven numbers of 8 bits, so that narrow formats hold them, too.
std::vector<double> pieces(double x) {
  std::vector<double> all;
  for (int i = 0; i < 7; ++i) {
    const int last = x == 0 ? 0 : std::ilogb(x) - 7;
    all.push_back(std::ldexp(std::trunc(std::ldexp(x, -last)), last));
    x -= all.back();
  }
  return all;
}

/// Three tokens at p = (0.51, 0.49) and two at (0.01, 0.99), as near as logits of binary64 can be.
CaseBuilder against_each_other(CaseBuilder c) {
  const std::vector<double> ln51 = pieces(0x1.47b9447a9a9f2p-5),  // the double nearest to ln(51 / 49)
      ln99 = pieces(0x1.2616719161d2bp+2);                        // and to ln 99
  std::vector<double> x(5 * 16), w(2 * 16);
  for (Index d = 0; d < 7; ++d) {
    at(w, d) = at(ln51, d), at(w, 16 + 7 + d) = at(ln99, d);
    for (Index t = 0; t < 5; ++t) at(x, t * 16 + (t < 3 ? 0 : 7) + d) = 1;
  }
  for (Index t = 0; t < 5; ++t)
    at(x, t * 16 + 14) = 0.25 * static_cast<double>(t + 1),
                   at(x, t * 16 + 15) = -0.125 * static_cast<double>(t + 1);
  c.set("shape.num_experts=2").set("shape.top_k=1").set("shape.hidden_size=16").tokens(5);
  return c.tensor(Tensor::x, x).tensor(Tensor::router_weight, w);
}

}  // namespace

std::vector<GoldenFile> losses_family() {
  const std::vector<std::vector<Index>> routes{{0, 1}, {0, 2}, {3, 0}, {0, 3}};
  const auto dropping = [](CaseBuilder c) {
    return c.flag("Capacity").set("capacity.mode=fixed").set("capacity.fixed=1");
  };
  std::vector<GoldenCase> cases{
      loss("losses/top1-of-two", "Only first choices count.", "all choices counted",
           R"(aux=[{"name":"balance","kind":"switch","coefficient":0.5,"f_source":"top1"}])")
          .routes(routes),
      dropping(
          loss(
              "losses/after-drop", "Only kept choices count.", "dropped choices counted",
              R"(aux=[{"name":"balance","kind":"switch","coefficient":0.5,"f_source":"all_k","f_stage":"post_drop"}])"))
          .routes(routes),
      loss("losses/per-group", "The mean over two groups of two tokens.",
           "the product of means over all tokens",
           R"(aux=[{"name":"balance","kind":"switch","coefficient":0.5,"f_source":"all_k","scope":"group"}])")
          .set("shape.num_groups=2")
          .routes(routes),
      loss("losses/mean-over-experts", "The mean over experts of f P, without E^2.", "the factor E^2",
           R"(aux=[{"name":"balance","kind":"switch","coefficient":0.5,"multiply":"none"}])")
          .routes(routes),
      loss(
          "losses/divided-by-k", "All choices count, divided by K.", "a loss of K for even shares",
          R"(aux=[{"name":"balance","kind":"switch","coefficient":0.5,"f_source":"all_k","f_divide_by_k":true}])")
          .routes(routes),
      loss("losses/balanced", "Every expert as often and as probable as any other: exactly 1.",
           "another minimum of the loss",
           R"(aux=[{"name":"balance","kind":"switch","coefficient":0.5,"f_source":"top1"}])")
          .flag("HandCheckable")
          .logits({{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}}),
      against_each_other(
          loss("losses/below-uniform",
               "Uniform traffic is not the least: 3 tokens at p = (0.51, 0.49) and 2 at (0.01, 0.99), by the "
               "logits nearest to ln(51 / 49) and ln 99, have f = (0.6, 0.4), P = (0.31, 0.69) and a loss of "
               "0.924.",
               "a loss that is held at 1 or above, as if uniform traffic were its least",
               R"(aux=[{"name":"balance","kind":"switch","coefficient":0.5,"f_source":"top1"}])")),
      loss("losses/collapsed", "One expert for all tokens, with all the probability but 1e-40: E.",
           "a loss that cannot see a collapse",
           R"(aux=[{"name":"balance","kind":"switch","coefficient":0.5,"f_source":"top1"}])")
          .logits({{100, 1, 0, 0}, {101, 0, 1, 0}, {99, 0, 0, 1}}),
      loss("losses/of-sigmoids", "Sigmoid scores over their sum, one token after the other.",
           "sigmoids that are not normalised",
           R"(aux=[{"name":"balance","kind":"switch","coefficient":0.5,"f_source":"all_k"}])")
          .set("router.score_function=sigmoid")
          .routes(routes),
      loss("losses/by-scores", "Experts counted by score, where a bias and groups choose others.",
           "the chosen experts counted",
           R"(aux=[{"name":"balance","kind":"switch","coefficient":0.5,"f_source":"all_k",
            "f_from":"retopk_of_aux_scores"}])")
          .set("router.n_group=2")
          .set("router.selection_bias=true")
          .routes(routes)
          .tensor(Tensor::router_selection_bias, {-0.5, 0.25, 0.5, 0}),
      loss("losses/none", "No auxiliary loss: the total is the task's.", "a loss that cannot be switched off",
           "aux=[]")
          .routes(routes),
  };
  return {{"losses/definitions.json", std::move(cases)}};
}

}  // namespace moe
