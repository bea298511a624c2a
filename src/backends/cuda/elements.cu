#include "activation.h"
#include "elements.h"
#include "kernels.h"

namespace moe::cuda {

template <typename S>
void Elements<S>::activate(cudaStream_t stream, Index rows, const Width& w, const S* pre, S* hidden) {
  each_of_rows(stream, rows, w.F, [=] __device__(Index n, Index f) {
    const S* gate = pre + n * w.F1;
    const A z = widen(gate[f]), acted = cuda::activate(w.activation, z);
    hidden[n * w.F + f] = narrow<S>(w.glu ? acted * widen(gate[w.F + f]) : acted);
  });
}

template <typename S>
void Elements<S>::activate_back(cudaStream_t stream, Index rows, const Width& w, const S* pre,
                                const S* dhidden, S* dpre) {
  each_of_rows(stream, rows, w.F, [=] __device__(Index n, Index f) {
    const S* gate = pre + n * w.F1;
    const A z = widen(gate[f]), dh = widen(dhidden[n * w.F + f]), slope = activate_slope(w.activation, z);
    S* to = dpre + n * w.F1 + f;
    to[0] = narrow<S>(w.glu ? dh * widen(gate[w.F + f]) * slope : dh * slope);
    if (w.glu) to[w.F] = narrow<S>(dh * cuda::activate(w.activation, z));
  });
}

template <typename S>
void Elements<S>::widen_all(cudaStream_t stream, Index n, const S* from, A* to) {
  each(stream, n, [=] __device__(Index i) { to[i] = widen(from[i]); });
}

template <typename S>
void Elements<S>::narrow_all(cudaStream_t stream, Index n, const A* from, S* to) {
  each(stream, n, [=] __device__(Index i) { to[i] = narrow<S>(from[i]); });
}

template <typename T>
void fill_rows(cudaStream_t stream, Index rows, Index n, const T* row, T* to) {
  each_of_rows(stream, rows, n, [=] __device__(Index i, Index j) { to[i * n + j] = row[j]; });
}

template <typename A>
void round_to(cudaStream_t stream, Index n, const double* from, A* to) {
  each(stream, n, [=] __device__(Index i) { to[i] = static_cast<A>(from[i]); });
}

template struct Elements<float>;
template struct Elements<double>;
template struct Elements<Bf16>;
template struct Elements<Half>;
template void round_to(cudaStream_t, Index, const double*, float*);
template void round_to(cudaStream_t, Index, const double*, double*);
template void fill_rows(cudaStream_t, Index, Index, const float*, float*);
template void fill_rows(cudaStream_t, Index, Index, const double*, double*);
template void fill_rows(cudaStream_t, Index, Index, const Bf16*, Bf16*);
template void fill_rows(cudaStream_t, Index, Index, const Half*, Half*);

}  // namespace moe::cuda
