#pragma once

#include "moe/layer/conventions.h"
#include "moe/scalar/scalar.h"

/// The activations (A1) to (A7) and their slopes, as functions of one variable for smooth(f, z). Each states a bound of
/// |f''|, which is what a running error analysis needs of it; test_activation.cpp checks that it is one, and tight.
namespace moe {

/// (A4)  silu(z) = z sigmoid(z)
/// Source: Elfwing et al., Sigmoid-Weighted Linear Units (2017), eq. 9.
struct Silu {
  static double curvature() { return 0.5; }
  template <typename Num>
  Num operator()(const Num& z) const {
    return z * sigmoid(z);
  }
};
/// (A4')  silu'(z) = s (1 + z (1 - s)) with s = sigmoid(z), and 1 - s = sigmoid(-z) free of cancellation
struct SiluSlope {
  static double curvature() { return 0.309; }
  template <typename Num>
  Num operator()(const Num& z) const {
    return sigmoid(z) * (Num(1) + z * sigmoid(-z));
  }
};

/// (R2')  sigmoid'(z) = s (1 - s)
struct SigmoidSlope {
  static double curvature() { return 0.125; }
  template <typename Num>
  Num operator()(const Num& z) const {
    return sigmoid(z) * sigmoid(-z);
  }
};

/// The distribution function of the standard normal, erfc(-z / sqrt 2) / 2, and its density.
template <typename Num>
Num normal_cdf(const Num& z) {
  using std::erfc, std::sqrt;
  return erfc(-z / sqrt(Num(2))) / Num(2);
}
template <typename Num>
Num normal_density(const Num& z) {
  using std::exp, std::sqrt;
  return exp(-square(z) / Num(2)) / sqrt(Num(2) * pi<Num>());
}

/// The same for smooth(f, z): what a noisy logit is above a rival with this probability.
struct NormalCdf {
  static double curvature() { return 0.242; }
  template <typename Num>
  Num operator()(const Num& z) const {
    return normal_cdf(z);
  }
};
struct NormalDensity {
  static double curvature() { return 0.4; }
  template <typename Num>
  Num operator()(const Num& z) const {
    return normal_density(z);
  }
};

/// (A2)  gelu(z) = z Phi(z)
/// Source: Hendrycks and Gimpel, Gaussian Error Linear Units (2016), eq. 1.
struct GeluErf {
  static double curvature() { return 0.798; }
  template <typename Num>
  Num operator()(const Num& z) const {
    return z * normal_cdf(z);
  }
};
/// (A2')  gelu'(z) = Phi(z) + z phi(z)
struct GeluErfSlope {
  static double curvature() { return 0.779; }
  template <typename Num>
  Num operator()(const Num& z) const {
    return normal_cdf(z) + z * normal_density(z);
  }
};

/// (A3)  gelu_tanh(z) = z / 2 (1 + tanh v),  v = sqrt(2 / pi) (z + 0.044715 z^3);  (1 + tanh v) / 2 = sigmoid(2 v)
/// Source: Hendrycks and Gimpel (2016), section 2.
struct GeluTanh {
  static double curvature() { return 0.798; }
  template <typename Num>
  Num operator()(const Num& z) const {
    return z * sigmoid(twice_v(z));
  }
  template <typename Num>
  static Num cubic() {  // 0.044715 is a decimal, not the double nearest it
    return Num(44715) / Num(1e6);
  }
  template <typename Num>
  static Num twice_v(const Num& z) {
    using std::sqrt;
    return Num(2) * sqrt(Num(2) / pi<Num>()) * z * (Num(1) + cubic<Num>() * square(z));
  }
};
/// (A3')  gelu_tanh'(z) = s (1 + z (1 - s) 2 v'),  s = sigmoid(2 v),  v' = sqrt(2 / pi) (1 + 3 0.044715 z^2)
struct GeluTanhSlope {
  static double curvature() { return 0.777; }
  template <typename Num>
  Num operator()(const Num& z) const {
    using std::sqrt;
    const Num v = GeluTanh::twice_v(z), cubic = Num(3) * GeluTanh::cubic<Num>();
    const Num twice_slope = Num(2) * sqrt(Num(2) / pi<Num>()) * (Num(1) + cubic * square(z));
    return sigmoid(v) * (Num(1) + z * sigmoid(-v) * twice_slope);
  }
};

/// (A7)  quick_gelu(z) = z sigmoid(alpha z), which is silu(alpha z) / alpha
/// Source: Hendrycks and Gimpel (2016), section 2, with alpha = 1.702.
struct QuickGelu {
  double alpha;
  double curvature() const { return Silu::curvature() * alpha; }
  template <typename Num>
  Num operator()(const Num& z) const {
    return z * sigmoid(configured<Num>(alpha) * z);
  }
};
/// (A7')  quick_gelu'(z) = s (1 + alpha z (1 - s)),  s = sigmoid(alpha z)
struct QuickGeluSlope {
  double alpha;
  double curvature() const { return SiluSlope::curvature() * alpha * alpha; }
  template <typename Num>
  Num operator()(const Num& z) const {
    const Num v = configured<Num>(alpha) * z;
    return sigmoid(v) * (Num(1) + v * sigmoid(-v));
  }
};
inline double blur(const QuickGeluSlope& f, double z) { return f.alpha * z; }

/// c tanh(z / c): z, where it is small beside c, and never further than c from 0.
struct Softcap {
  double c;
  double curvature() const { return 0.77 / c; }
  template <typename Num>
  Num operator()(const Num& z) const {
    using std::tanh;
    return configured<Num>(c) * tanh(z / configured<Num>(c));
  }
};
/// Its slope, 1 - tanh(v)^2 = 4 s(2 v) s(-2 v) for v = z / c and the sigmoid s.
struct SoftcapSlope {
  double c;
  double curvature() const { return 2 / (c * c); }
  static double blur_of_result() { return 2; }  // tanh(v) is what one operator gives to the next
  static double blur_of_function() { return 2; }  // and its square is subtracted
  template <typename Num>
  Num operator()(const Num& z) const {
    const Num twice = Num(2) * z / configured<Num>(c);
    return Num(4) * sigmoid(twice) * sigmoid(-twice);
  }
};
inline double blur(const SoftcapSlope&, double) { return 4; }  // of 1 - tanh(v)^2

/// (X2)  c tanh(z / c) sigmoid(z): silu whose factor z is drawn together, and not what the sigmoid is of
/// Source: Inkling2SoftcappedSwiGLU of huggingface/transformers.
struct CappedSilu {
  double c;
  double curvature() const { return Silu::curvature() + 0.77 / c; }
  template <typename Num>
  Num operator()(const Num& z) const {
    const Num factor = Softcap{c}(z);
    return factor * sigmoid(z);
  }
};
struct CappedSiluSlope {
  double c;
  double curvature() const { return 0.45 + 0.58 / c + 2 / (c * c); }
  static double blur_of_result() { return 2; }
  static double blur_of_function() { return 2; }
  template <typename Num>
  Num operator()(const Num& z) const {
    const Num factor = Softcap{c}(z);
    return sigmoid(z) * (SoftcapSlope{c}(z) + factor * sigmoid(-z));
  }
};
inline double blur(const CappedSiluSlope&, double z) { return 4 + z; }  // of 1 - tanh(v)^2, and of 1 - s

/// act(z); alpha is that of (A7).
template <typename Num>
Num activate(Activation activation, const Num& z, double alpha = Experts().act_alpha) {
  switch (activation) {
    case Activation::Relu:
      return relu(z);  // (A1)
    case Activation::GeluErf:
      return smooth(GeluErf(), z);
    case Activation::GeluTanh:
      return smooth(GeluTanh(), z);
    case Activation::Silu:
      return smooth(Silu(), z);
    case Activation::Identity:
      return z;  // (A5)
    case Activation::Relu2:
      return square(relu(z));  // (A6)
    case Activation::QuickGelu:
      return smooth(QuickGelu{alpha}, z);
  }
  return z;
}
template <typename Num>
Num activate_slope(Activation activation, const Num& z, double alpha = Experts().act_alpha) {
  switch (activation) {
    case Activation::Relu:
      return relu_slope(z);  // (A1')
    case Activation::GeluErf:
      return smooth(GeluErfSlope(), z);
    case Activation::GeluTanh:
      return smooth(GeluTanhSlope(), z);
    case Activation::Silu:
      return smooth(SiluSlope(), z);
    case Activation::Identity:
      return Num(1);  // (A5')
    case Activation::Relu2:
      return Num(2) * relu(z);  // (A6')
    case Activation::QuickGelu:
      return smooth(QuickGeluSlope{alpha}, z);
  }
  return z;
}

}  // namespace moe
