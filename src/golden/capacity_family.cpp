#include "families.h"

// Experts that take a limited number of assignments: how many, whose, and what becomes of the rest.
namespace moe {
namespace {

using Routes = std::vector<std::vector<Index>>;

/// `crowd` tokens for expert 0, then one for each id of `others`.
Routes crowd(Index n, std::initializer_list<Index> others = {}) {
  Routes routes(static_cast<std::size_t>(n), {0});
  for (const Index e : others) routes.push_back({e});
  return routes;
}

CaseBuilder top1(const char* id, const char* comment, const char* catches) {
  return CaseBuilder("switch", id, comment).catches(catches).flag("Capacity").set("shape.ffn_size=2");
}
CaseBuilder fixed(const char* id, const char* comment, const char* catches, const char* capacity) {
  return top1(id, comment, catches).set("capacity.mode=fixed").set(capacity);
}
CaseBuilder formula(const char* id, const char* comment, const char* catches, const char* factor) {
  return top1(id, comment, catches).flag("CapacityFormula").set(factor).set("capacity.min_capacity=0");
}
CaseBuilder top2(const char* id, const char* comment, const char* catches) {
  return CaseBuilder("mixtral", id, comment)
      .catches(catches)
      .flag("Capacity")
      .set("shape.ffn_size=2")
      .set("capacity.mode=fixed")
      .set("capacity.fixed=1");
}

std::vector<GoldenCase> amounts() {
  return {
      fixed("capacity/zero", "C = 0: everything is dropped, and the output is 0.",
            "a capacity of 0 taken for none", "capacity.fixed=0")
          .draw(1)
          .routes({{0}, {1}, {0}}),
      fixed("capacity/one", "C = 1.", "the last token that asks keeps the only place", "capacity.fixed=1")
          .routes({{0}, {0}, {1}, {0}}),
      fixed("capacity/overflow-of-all", "Every expert overflows.",
            "dropless as soon as every expert overflows", "capacity.fixed=1")
          .routes({{0}, {1}, {2}, {3}, {3}, {2}, {1}, {0}}),
  };
}

std::vector<GoldenCase> formulas() {
  return {
      formula("capacity/ceil", "C = ceil(1 9 / 4) = 3.", "a capacity rounded to nearest", "capacity.factor=1")
          .set("capacity.outer_round=ceil")
          .draw(1)
          .routes(crowd(7, {1, 2})),
      formula("capacity/half-even-down", "C = round(2.5) = 2, to even.", "halves rounded up",
              "capacity.factor=1")
          .set("capacity.outer_round=half_even")
          .routes(crowd(8, {1, 3})),
      formula("capacity/half-even-up", "C = round(3.5) = 4, to even.", "halves rounded down",
              "capacity.factor=1")
          .set("capacity.outer_round=half_even")
          .routes(crowd(12, {1, 3})),
      formula("capacity/half-even-of-factor",
              "C = round(1.25 (8 / 4)) = 2, whichever way the even load is rounded.", "halves rounded up",
              "capacity.factor=1.25")
          .set("capacity.outer_round=half_even")
          .routes(crowd(6, {1, 3})),
      formula("capacity/above-half", "C = round(2.75) = 3.", "half_even taken for floor", "capacity.factor=1")
          .set("capacity.outer_round=half_even")
          .routes(crowd(9, {1, 3})),
      formula("capacity/decimal-floor", "C = floor(1.8 5 / 3) = 3 exactly; fp32 gives 2.",
              "the capacity computed in fp32", "capacity.factor=1.8")
          .set("shape.num_experts=3")
          .routes(crowd(4, {2})),
      formula("capacity/decimal-ceil", "C = ceil(2.1 10 / 3) = 7 exactly; fp64 gives 8.",
              "the capacity computed in fp64", "capacity.factor=2.1")
          .set("shape.num_experts=3")
          .set("capacity.outer_round=ceil")
          .draw(2)
          .routes(crowd(9, {2})),
      formula("capacity/f32", "The fp32 of capacity/decimal-floor as the convention: C = 2.",
              "an exact capacity where the system computes in fp32", "capacity.factor=1.8")
          .set("capacity.arithmetic=f32")
          .set("shape.num_experts=3")
          .draw(1)
          .routes(crowd(4, {1})),
      formula("capacity/f32-factor-first", "(1.8 5) / 3 in fp32: C = 3.", "the division before the product",
              "capacity.factor=1.8")
          .set("capacity.arithmetic=f32")
          .set("capacity.eval_order=factor_first")
          .set("shape.num_experts=3")
          .draw(2)
          .routes(crowd(4, {1})),
      formula("capacity/f64", "ceil((10 / 3) 2.1) in fp64: C = 8.",
              "an exact capacity where the system computes in fp64", "capacity.factor=2.1")
          .set("capacity.arithmetic=f64")
          .set("capacity.outer_round=ceil")
          .set("shape.num_experts=3")
          .routes(crowd(9, {1})),
      formula("capacity/f64-half-even", "round((5 / 2) 1) in fp64: C = 2.",
              "nearest taken for away from zero", "capacity.factor=1")
          .set("capacity.arithmetic=f64")
          .set("capacity.outer_round=half_even")
          .set("shape.num_experts=2")
          .routes(crowd(4, {1})),
      formula("capacity/nine-places",
              "C = floor(0.333333333 9) = 2: a decimal, not the third that it looks like.",
              "a factor taken for the nearest simple fraction", "capacity.factor=0.333333333")
          .set("shape.num_experts=1")
          .routes(crowd(9)),
      formula("capacity/minimum", "floor(0.5 8 / 4) = 1, but at least 4.", "no minimum",
              "capacity.factor=0.5")
          .set("capacity.min_capacity=4")
          .draw(4)
          .routes(crowd(6, {1, 2})),
      formula("capacity/multiple", "floor(1.25 8 / 4) = 2, raised to a multiple of 4.",
              "a multiple rounded down", "capacity.factor=1.25")
          .set("capacity.multiple_of=4")
          .draw(1)
          .routes(crowd(6, {1, 2})),
      formula("capacity/inner-ceil", "C = floor(1.5 ceil(5 / 4)) = 3.", "the inner rounding left out",
              "capacity.factor=1.5")
          .set("capacity.inner_round=ceil")
          .routes(crowd(4, {1})),
      formula("capacity/inner-floor", "C = floor(1.5 floor(7 / 4)) = 1.", "the inner division not rounded",
              "capacity.factor=1.5")
          .set("capacity.inner_round=floor")
          .routes(crowd(5, {1, 2})),
      formula("capacity/inner-half-even", "C = floor(1.5 round(6 / 4)) = 3.",
              "the inner division left as it is", "capacity.factor=1.5")
          .set("capacity.inner_round=half_even")
          .routes(crowd(5, {1})),
      CaseBuilder("mixtral", "capacity/k-inside", "C = floor(1 (4 2) / 4) = 2: the base counts choices.")
          .catches("tokens counted where choices are meant")
          .flag("Capacity")
          .flag("CapacityFormula")
          .set("shape.ffn_size=2")
          .set("capacity.mode=factor")
          .set("capacity.factor=1")
          .set("capacity.base=tokens_times_k")
          .routes({{0, 1}, {0, 2}, {0, 1}, {0, 3}}),
      CaseBuilder("mixtral", "capacity/k-outside",
                  "C = 2 floor(1.5 ceil(3 / 4)) = 2, not floor(2 1.5 ceil(3 / 4)) = 3.")
          .catches("K multiplied before the rounding")
          .flag("Capacity")
          .flag("CapacityFormula")
          .set("shape.ffn_size=2")
          .set("capacity.mode=factor")
          .set("capacity.factor=1.5")
          .set("capacity.inner_round=ceil")
          .set("capacity.k_outside=true")
          .routes({{0, 1}, {0, 2}, {1, 0}}),
  };
}

std::vector<GoldenCase> scopes() {
  return {top1("capacity/per-group", "Two groups of four tokens, each with C = 2 for each expert.",
               "a capacity for the batch where each group has its own")
              .set("capacity.scope=group")
              .set("shape.num_groups=2")
              .set("capacity.min_capacity=0")
              .set("capacity.factor=2")
              .routes({{0}, {0}, {0}, {1}, {0}, {2}, {0}, {0}})};
}

std::vector<GoldenCase> orders() {
  const Rows scores{{1, 0, 2, 0.5}, {0.5, 0, 3, 0.25}, {0, 0.25, 2.5, 0.75}};
  return {
      top2("capacity/choice-major",
           "Two tokens with opposite preferences, one place each: first choices win.",
           "token 0 takes both places")
          .flag("DropOrder")
          .set("capacity.order=choice_major")
          .set("shape.num_experts=2")
          .routes({{0, 1}, {1, 0}}),
      top2("capacity/token-major", "The same tokens: token 0 takes both places.", "first choices win")
          .flag("DropOrder")
          .set("capacity.order=token_major")
          .set("shape.num_experts=2")
          .routes({{0, 1}, {1, 0}}),
      top2("capacity/bpr", "The token with the highest first score comes first.", "first come, first served")
          .flag("DropOrder")
          .set("capacity.priority=bpr_top1")
          .set("capacity.order=choice_major")
          .logits(scores),
      top2("capacity/bpr-token-major", "Tokens by their first score, each with both choices.",
           "choices before tokens")
          .flag("DropOrder")
          .set("capacity.priority=bpr_top1")
          .set("capacity.order=token_major")
          .logits({{2, 1.5, 0, 0}, {1, 3, 0, 0}, {0.5, 0, 2, 2.5}}),
      top2("capacity/equal-scores",
           "Tokens with shifted and permuted logits have the same first score: the earlier one wins.",
           "equal scores ranked by their rounding errors")
          .flag("DropOrder")
          .flag("Tie")
          .set("capacity.priority=bpr_top1")
          .set("capacity.order=choice_major")
          .logits({{1, 0.625, 0.75, 0.875}, {2, 1.625, 1.875, 1.75}}),
      top2("capacity/bpr-all-scores",
           "Two tokens with the same two best logits, and different scores among all four.",
           "tokens ranked by their share among the chosen")
          .flag("DropOrder")
          .set("capacity.priority=bpr_top1")
          .set("capacity.order=choice_major")
          .logits({{2, 1, 0.875, 0.875}, {2, 1, -5, -5}}),
      top2("capacity/by-weight", "The largest weights win, whoever they belong to.",
           "tokens ranked by their first score")
          .flag("DropOrder")
          .set("capacity.priority=weight")
          .logits({{2, 1.75, 0, 0}, {2.5, -1, 2.25, -1}, {0, 1, 3, -2}}),
      top2("capacity/by-raw-weight", "Weights are shares after the drop, so before it scores rank.",
           "shares ranked where scores are meant")
          .flag("DropOrder")
          .set("capacity.priority=weight")
          .set("router.renorm_stage=after_drop")
          .logits({{2, 1, 2, 2}, {2, -3, 1.75, -3}, {1.5, -1, -2, -3}, {-9, 2.5, -9, 3}, {0.5, 1, -9, 0.75}}),
      top2("capacity/by-sigmoid-weight", "Sigmoid scores rank, without a share.", "scores ranked by softmax")
          .flag("DropOrder")
          .flag("Score")
          .set("capacity.priority=weight")
          .set("router.score_function=sigmoid")
          .set("router.renorm=none")
          .logits({{2, 1, 1.75, 1.75},
                   {1.75, -3, -2, 1.5},
                   {1.5, 3, -1, -3},
                   {0, 0.5, 2.5, 1},
                   {-1, 0.5, 2.5, 1}}),
      top2("capacity/by-sigmoid-share", "Shares of sigmoid scores rank; two of them are one number.",
           "equal shares ranked by the later token")
          .flag("DropOrder")
          .flag("Tie")
          .flag("Score")
          .set("capacity.priority=weight")
          .set("router.score_function=sigmoid")
          .logits({{1, 2, 0, -1}, {2, 1, -1, 0}, {1, 2, -1, 0}}),
  };
}

std::vector<GoldenCase> leftovers() {
  const Routes routes{{0, 1}, {0, 2}, {0, 1}};
  return {
      top2("capacity/renorm-before", "Weights share 1 before the drop, so what is left sums to less.",
           "what is left renormalised")
          .flag("Renormalisation")
          .routes(routes),
      top2("capacity/renorm-after", "Weights share 1 after the drop: the third token keeps two of three.",
           "what is left not renormalised")
          .flag("Renormalisation")
          .set("router.renorm_stage=after_drop")
          .set("shape.top_k=3")
          .set("capacity.fixed=2")
          .routes({{0, 1, 2}, {0, 1, 3}, {0, 2, 3}}),
      top2("capacity/both-dropped",
           "A token that loses both choices, renormalised after the drop: its weights are 0.",
           "a share of nothing is 0 / 0")
          .flag("Renormalisation")
          .flag("DroppedToken")
          .set("router.renorm_stage=after_drop")
          .routes({{0, 1}, {2, 3}, {0, 1}}),
      fixed("capacity/identity", "A token without an expert passes through.", "0 where the token should pass",
            "capacity.fixed=1")
          .flag("DroppedToken")
          .set("capacity.dropped_output=identity")
          .routes(crowd(2, {1})),
      fixed("capacity/scaled-identity", "A token without an expert passes, times its weight.",
            "the token passed unscaled", "capacity.fixed=1")
          .flag("DroppedToken")
          .set("capacity.dropped_output=scaled_identity")
          .logits({{2, 0, 0, 0}, {1, 0, 0.5, 0}, {0, 1, 0, 0}}),
      top2("capacity/identity-top2", "Only a token that loses both choices passes through.",
           "a token passed for every dropped choice")
          .flag("DroppedToken")
          .set("capacity.dropped_output=identity")
          .routes(routes),
  };
}

}  // namespace

std::vector<GoldenFile> capacity_family() {
  return {{"capacity/amounts.json", amounts()},
          {"capacity/leftovers.json", leftovers()},
          {"capacity/orders.json", orders()},
          {"capacity/scopes.json", scopes()},
          {"capacity/formulas.json", formulas()}};
}

}  // namespace moe
