#include "moe/audit.h"

namespace moe {

const std::vector<Tolerance>& public_tolerances() {
  static const std::vector<Tolerance> all{
      {.name = "torch bf16",
       .source = "PyTorch, torch.testing.assert_close, defaults for bfloat16",
       .rtol = 1.6e-2,
       .atol = 1e-5},
      {.name = "ONNX", .source = "ONNX backend tests, defaults of runner", .rtol = 1e-3, .atol = 1e-7},
      {.name = "vLLM",
       .source = "vLLM at 0026f379, tests/kernels/moe/test_moe.py, bf16 shapes",
       .rtol = 0,
       .atol = 2e-2},
      {.name = "Transformer Engine",
       .source = "TransformerEngine at d0067d0d, tests of grouped GEMM in bf16",
       .rtol = 5e-2,
       .atol = 5e-2},
      {.name = "FlashInfer",
       .source = "FlashInfer at fb28d724, trtllm_gen_fused_moe_utils check_accuracy, FP4",
       .rtol = 0.85,
       .atol = 0.1,
       .match = 0.925},
      {.name = "ggml", .source = "ggml at d99724f2, tests/test-backend-ops.cpp, MUL_MAT_ID", .nmse = 5e-4}};
  return all;
}

bool accepts(const Tolerance& tolerance, const Array& got, const Array& right) {
  if (got.dims != right.dims) return false;
  Index within = 0;
  double error = 0, size = 0;
  for (Index i = 0; i < right.size(); ++i) {
    const double difference = std::abs(got.real(i) - right.real(i)), magnitude = std::abs(right.real(i));
    if (difference <= tolerance.atol + tolerance.rtol * magnitude) ++within;
    error += difference * difference, size += magnitude * magnitude;
  }
  if (tolerance.nmse > 0) return error <= tolerance.nmse * size;
  return static_cast<double>(within) >= tolerance.match * static_cast<double>(right.size());
}

}  // namespace moe
