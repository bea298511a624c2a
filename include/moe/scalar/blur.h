#pragma once

#include <cmath>

namespace moe {

struct SiluSlope;
struct SigmoidSlope;
struct NormalCdf;
struct GeluErf;
struct GeluErfSlope;
struct GeluTanh;
struct GeluTanhSlope;

/// By how many units of its arithmetic, beside rounding errors relative to its value, a correct f(z) may be off: formulas
/// in use subtract from 1 what is close to 1, where ours do not.   z >= 0 stands for |z|
///   (Q5b)  s (1 - s), s (1 + z (1 - s)), (1 + erf v) / 2, z (1 + tanh v) / 2 and their slopes
template <typename F>
inline double blur(double) {
  return 0;
}
template <>
inline double blur<SigmoidSlope>(double) {
  return 1;
}
template <>
inline double blur<SiluSlope>(double z) {
  return z;
}
template <>
inline double blur<NormalCdf>(double) {
  return 2;
}
template <>
inline double blur<GeluErf>(double z) {
  return 2 * z;
}
template <>
inline double blur<GeluErfSlope>(double) {
  return 2;
}
template <>
inline double blur<GeluTanh>(double z) {
  return z;
}
template <>
inline double blur<GeluTanhSlope>(double z) {
  return 1 + 4 * z * (1 + z * z);
}
/// ... of an f with a number of its own, which has an overload where it depends on that.
template <typename F>
inline double blur(const F&, double z) {
  return blur<F>(z);
}

}  // namespace moe
