#include "moe/golden.h"

namespace moe {
namespace {

std::string thread(const char* repository, int number) {
  return "https://github.com/" + std::string(repository) + "/issues/" + std::to_string(number);
}

Json note(const char* type, const char* description, const char* effect,
          const std::vector<std::string>& links = {}) {
  return {{"bugType", type}, {"description", description}, {"effect", effect}, {"links", links}};
}

}  // namespace

const Json& golden_notes() {
  static const Json notes{
      {"Written", note("BASIC", "A config and numbers of the user's own.", "None.")},
      {"Preset", note("BASIC", "A published system at its default shape, forward and backward.",
                      "Any deviation from the system shows.")},
      {"FullSize",
       note("EDGE_CASE",
            "A published layer at its own size; the weights are a recipe, and most are never read.",
            "Offsets beyond 2^31, sums over thousands of terms, experts that are read though no token chose "
            "them.",
            {thread("linkedin/Liger-Kernel", 1296), thread("vllm-project/vllm", 34507)})},
      {"HandCheckable",
       note("BASIC", "Small dyadic inputs: logits and pre-activations are exact and can be checked by hand.",
            "Any deviation shows.")},
      {"Tie",
       note("TIE",
            "Two or more logits are the same real number. Larger score first, then the lower expert id.",
            "Sorts that are not stable, or that prefer another id, choose other experts.",
            {thread("vllm-project/vllm", 54403), thread("vllm-project/vllm", 55514),
             thread("pytorch/torchtitan", 3336)})},
      {"NearTie", note("TIE", "Two logits differ by less than a narrow format can tell.",
                       "A router that rounds logits or scores before it chooses takes another expert.",
                       {thread("vllm-project/vllm", 58076), thread("sgl-project/sglang", 38695)})},
      {"Range", note("NUMERIC_RANGE", "Logits whose exponentials overflow or underflow on their own.",
                     "NaN, infinities, or weights of 0 / 0 where the softmax is not taken relative to the "
                     "largest logit.")},
      {"ExpertGroups", note("ROUTING", "Experts are chosen from the best groups only.",
                            "Groups ignored, scored otherwise, or masked with 0 where scores are negative.",
                            {thread("vllm-project/vllm", 13474), thread("huggingface/transformers", 45440)})},
      {"SelectionBias", note("ROUTING", "A bias takes part in the choice, and in nothing else.",
                             "Weights that hold the bias, or scores recovered from biased ones.",
                             {thread("vllm-project/vllm", 12002), thread("flashinfer-ai/flashinfer", 3875)})},
      {"SecondPolicy",
       note("ROUTING",
            "The second choice is taken up if its weight exceeds a random number that is an input.",
            "Another weight is compared, or a choice that is not taken up gives its place away.",
            {thread("deepspeedai/DeepSpeed", 8620)})},
      {"Noise", note("ROUTING", "Noise of a learned scale on the logits, as an input.",
                     "Clean logits where noisy ones are meant, or the other way round.",
                     {thread("davidmrau/mixture-of-experts", 31), thread("yfzhang114/SliME", 3)})},
      {"SharedExpert",
       note("SCALE", "An expert for every token, and a factor on the chosen ones.",
            "The factor applied twice, or to the shared expert.", {thread("sgl-project/sglang", 28237)})},
      {"ManyExperts", note("ROUTING", "More experts than a warp, a byte or a tile counts.",
                           "Ids beyond the limit are never chosen, or wrap.",
                           {thread("kekzl/imp", 2056), thread("NVIDIA/TransformerEngine", 2821),
                            thread("pytorch/pytorch", 196177)})},
      {"EdgeShape", note("EDGE_CASE", "A size of 0 or 1, or K = E.",
                         "Squeezed axes, empty reductions, shortcuts that skip a stage.",
                         {thread("jingyaogong/minimind", 858), thread("databricks/megablocks", 87)})},
      {"TileTail",
       note("EDGE_CASE", "A size that is not a multiple of the tiles that kernels use.",
            "The last rows or columns are dropped, or read twice.", {thread("mirage-project/mirage", 764)})},
      {"Load", note("DISPATCH", "A pattern of tokens per expert that kernels special-case.",
                    "Rows reach the wrong expert, or an empty expert has a gradient.",
                    {thread("pytorch/pytorch", 172439), thread("openxla/tokamax", 887),
                     thread("tgale96/grouped_gemm", 36)})},
      {"Permutation",
       note("DISPATCH",
            "A dispatch order that only the permutation itself restores, not its inverse or the identity.",
            "Rows come back to the wrong tokens.", {thread("tile-ai/TileOPs", 640)})},
      {"Activation", note("CONVENTION", "One form of expert: activation, gate, biases.",
                          "Another activation of the same name, a missing gate or a misplaced bias.",
                          {thread("microsoft/onnxruntime", 25619)})},
      {"Kink",
       note("GRADIENT", "A ReLU exactly at 0, where its slope is taken to be 0.", "A slope of 1/2 or 1.")},
      {"Capacity",
       note("CAPACITY", "More assignments than an expert takes, or exactly as many.",
            "Other tokens are dropped, or other numbers of them.", {thread("deepspeedai/DeepSpeed", 7986)})},
      {"CapacityFormula",
       note("CAPACITY", "Rounding, order, minimum and multiple of the capacity (factor, tokens, K, E).",
            "The capacity is one more or one less.")},
      {"DropOrder",
       note("CAPACITY", "Who is dropped: by choice, by token, by score.", "Other assignments survive.")},
      {"DroppedToken", note("CAPACITY", "What a token without any expert outputs, and its gradient.",
                            "Residual twice or never; a gradient through an expert that never ran.")},
      {"Renormalisation",
       note("SCALE", "Weights share 1 before or after the drop.", "Weights of surviving choices are scaled.",
            {thread("vllm-project/vllm", 45037)})},
      {"Loss", note("LOSS", "The definition of an auxiliary loss.",
                    "Coefficients are not portable; gradients are scaled.",
                    {thread("huggingface/transformers", 31464), thread("huggingface/transformers", 28255)})},
      {"Score", note("NUMERIC_RANGE", "Scores that saturate or underflow in a narrow format.",
                     "Ties that are none, and 0 / 0.",
                     {thread("flashinfer-ai/flashinfer", 3803), thread("sgl-project/sglang", 31017)})},
      {"Exact",
       note("BASIC",
            "Small integers, dyadic weights, linear and ReLU experts: no sum, in any order, needs to be "
            "rounded where the format has the bits that `exact` gives.",
            "Any deviation at all is a mistake, however small.")},
      {"Invalid", note("EDGE_CASE", "A config or an input without a meaning.",
                       "Accepting it means computing something else than was asked.")},
  };
  return notes;
}

}  // namespace moe
