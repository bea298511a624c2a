#include "families.h"

// Logits of a size that plain exponentials do not survive.
namespace moe {
namespace {

/// One gated expert, whose pre-activations are the given numbers: x is 1, the weights hold them.
CaseBuilder expert(const char* id, const char* comment, const std::vector<double>& gate,
                   const std::vector<double>& up) {
  const auto F = static_cast<Index>(gate.size());
  const std::string ffn = "shape.ffn_size=" + std::to_string(F);
  return CaseBuilder("dense", id, comment)
      .flag("Range")
      .set("shape.num_tokens=1")
      .set("shape.hidden_size=1")
      .set(ffn.c_str())
      .tensor(Tensor::x, {1})
      .tensor(Tensor::experts_gate, gate)
      .tensor(Tensor::experts_up, up);
}

CaseBuilder sigmoids(const char* id, const char* comment) {
  return CaseBuilder("mixtral", id, comment)
      .flag("Score")
      .set("shape.ffn_size=2")
      .set("router.score_function=sigmoid")
      .set("aux.load_balance.coefficient=0.5");
}

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
            .logits({{-10000, -1000, -9000, -9001}, {-10000, -9998, -9999, -9998.5}}),
        range("range/exp-edges", "Where exp of fp32 overflows, becomes subnormal and underflows.")
            .catches("exponentials that overflow, or are flushed to 0")
            .logits({{88.6875, 88.75, 0, -15.25}, {-87.25, -103.25, -104, 0}, {0, 88.75, -103.875, 1}})}},
      {"range/sigmoids.json",
       {sigmoids("range/sigmoid-edges", "Sigmoids where exp(-z) of fp32 overflows, and near 1.")
            .catches("1 / (1 + exp(-z)) of a very negative z")
            .logits({{-88.75, -88.6875, 17.25, 16.5}, {-103.875, 100, -100, 0}}),
        sigmoids("range/all-sigmoids-underflow",
                 "All chosen sigmoids underflow in fp32; their shares do not.")
            .catches("0 / 0 of scores that underflow, or an epsilon that swallows them")
            .logits({{-110, -111, -112, -113}, {-130, -140, -129.5, -150}}),
        sigmoids("range/eight-of-minus-fifty", "Eight logits of -50: shares of 1/8 each, of scores of 2e-22.")
            .catches("an epsilon of 1e-20 in the denominator")
            .set("shape.top_k=8")
            .logits({{-50, -50, -50, -50, -50, -50, -50, -50}})}},
      {"range/experts.json",
       {expert("range/silu-1000", "SiLU at 1000, at -1000, and where it underflows gradually.",
               {1000, -1000, -745, -708, 40, -40}, {1, 1, 1024, 1, -1, 0.5})
            .catches("z / (1 + exp(-z)) with an overflow")
            .tensor(Tensor::dy, {1}),
        expert("range/hidden-beyond-fp16", "Hidden units of 65504 and more: infinite in fp16, not in bf16.",
               {256, 256, 255.875, -16}, {256, 255.875, 256, 4096})
            .catches("hidden units in fp16")
            .tensor(Tensor::experts_down, {0.0009765625, -0.0009765625, 0.00048828125, 1}),
        expert("range/subnormal-products", "Numbers of fp32 whose products are subnormal, or vanish.",
               {0x1p-64, -0x1p-75, 0x1p-100, 0x1.5p-66}, {0x1p-65, 0x1.8p-70, 0x1p-60, -0x1.5p-66})
            .catches("products that are flushed to 0")
            .tensor(Tensor::experts_down, {0x1p100, 0x1p100, 0x1p100, 0x1.25p100}),
        expert("range/outlier", "One channel a thousand times as large as the others.", {1, -0.5, 0.25, 2},
               {0.5, 1, -1, 0.125})
            .catches("a scale that the largest number sets for all")
            .tensor(Tensor::experts_down, {1024, 0.5, -0.25, 1}),
        CaseBuilder("dense", "range/cancellation",
                    "Hidden units of 1048577 and 1048576, of which y is the difference.")
            .flag("Range")
            .catches("hidden units, or sums of them, in fewer than 21 bits")
            .set("experts.glu=false")
            .set("experts.activation=relu")
            .set("shape.hidden_size=2")
            .set("shape.ffn_size=2")
            .tokens(1)
            .tensor(Tensor::x, {1024, 1})
            .tensor(Tensor::experts_up, {1024, 1, 1024, 0})
            .tensor(Tensor::experts_down, {1, -1, 0.5, -0.5}),
        CaseBuilder("dense", "range/negative-zero",
                    "x = -0.0 and 0.0, with a plain ReLU: zeros of either sign are one.")
            .flag("Range")
            .flag("Kink")
            .catches("a sign of zero that is taken for a negative number")
            .set("experts.glu=false")
            .set("experts.activation=relu")
            .set("shape.hidden_size=2")
            .set("shape.ffn_size=2")
            .tokens(3)
            .tensor(Tensor::x, {-0.0, 0.0, -0.0, 1, -1, -0.0})}}};
}

}  // namespace moe
