#pragma once

#include "cuda_runtime.h"

/// As much of cuBLAS as the CUDA backend uses, on the CPU: column-major products, summed in what was asked for.

enum cublasStatus_t {
  CUBLAS_STATUS_SUCCESS,
  CUBLAS_STATUS_NOT_INITIALIZED,
  CUBLAS_STATUS_ALLOC_FAILED,
  CUBLAS_STATUS_INVALID_VALUE
};
enum libraryPropertyType { MAJOR_VERSION, MINOR_VERSION };
enum cublasOperation_t { CUBLAS_OP_N, CUBLAS_OP_T };
enum cublasComputeType_t { CUBLAS_COMPUTE_64F_PEDANTIC, CUBLAS_COMPUTE_32F_PEDANTIC, CUBLAS_COMPUTE_32F };
enum cublasMath_t { CUBLAS_DEFAULT_MATH = 0, CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION = 16 };
enum cublasGemmAlgo_t { CUBLAS_GEMM_DEFAULT };
using cublasHandle_t = struct EmulatedHandle*;

cublasStatus_t cublasCreate(cublasHandle_t* handle);
cublasStatus_t cublasDestroy(cublasHandle_t handle);
cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream);
cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void* workspace, std::size_t bytes);
cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode);
cublasStatus_t cublasGetProperty(libraryPropertyType type, int* value);
const char* cublasGetStatusString(cublasStatus_t status);
cublasStatus_t cublasGemmEx_64(cublasHandle_t handle, cublasOperation_t of_A, cublasOperation_t of_B,
                               std::int64_t m, std::int64_t n, std::int64_t k, const void* alpha,
                               const void* A, cudaDataType type_A, std::int64_t ld_A, const void* B,
                               cudaDataType type_B, std::int64_t ld_B, const void* beta, void* C,
                               cudaDataType type_C, std::int64_t ld_C, cublasComputeType_t compute,
                               cublasGemmAlgo_t algorithm);
