#include "multiply.h"

namespace moe::cuda {

void multiply(Lane& lane, Product product, Index m, Index n, Index k, const void* A, const void* B,
              cudaDataType in, void* C, cudaDataType out, bool add) {
  if (m == 0 || n == 0) return;
  const bool wide = in == CUDA_R_64F;
  const double one = 1, zero = 0;
  const float one_f = 1, zero_f = 0;
  const cublasComputeType_t compute = wide               ? CUBLAS_COMPUTE_64F_PEDANTIC
                                      : in == CUDA_R_32F ? CUBLAS_COMPUTE_32F_PEDANTIC
                                                         : CUBLAS_COMPUTE_32F;
  const void *alpha = wide ? static_cast<const void*>(&one) : &one_f,
             *beta = wide ? static_cast<const void*>(add ? &one : &zero) : (add ? &one_f : &zero_f);
  // To cuBLAS, whose matrices are column-major, ours are transposed: it is asked for C^T = B^T A^T, or with either as it is.
  const cublasOperation_t of_B = product == Product::ABt ? CUBLAS_OP_T : CUBLAS_OP_N,
                          of_A = product == Product::AtB ? CUBLAS_OP_T : CUBLAS_OP_N;
  const Index ld_B = product == Product::ABt ? k : n, ld_A = product == Product::AtB ? m : k;
  checked(cublasGemmEx_64(lane.handle(), of_B, of_A, n, m, k, alpha, B, in, ld_B, A, in, ld_A, beta, C, out,
                          n, compute, CUBLAS_GEMM_DEFAULT),
          "multiplying matrices");
}

}  // namespace moe::cuda
