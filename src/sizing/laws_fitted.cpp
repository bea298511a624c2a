#include "moe/error.h"
#include "moe/laws.h"

namespace moe {
namespace {

/// How experts saturate: E at first, `most` at last, and `start` for one expert.
///   (Y2)  1 / E^ = 1 / (E - 1 + 1 / (1 / E_start - 1 / E_max)) + 1 / E_max
/// Source: Clark et al., Unified Scaling Laws for Routed Language Models, arXiv 2202.01169.
double saturated(double E, double start, double most) {
  return 1 / (1 / (E - 1 + 1 / (1 / start - 1 / most)) + 1 / most);
}

struct Chinchilla {
  double E, A, alpha, B, beta;
};

///   (Y1)  L = E + A / N^alpha + B / D^beta
/// Source: Hoffmann et al., Training Compute-Optimal Large Language Models, arXiv 2203.15556.
double chinchilla_loss(const Chinchilla& c, double N, double D) {
  return c.E + c.A / std::pow(N, c.alpha) + c.B / std::pow(D, c.beta);
}

Law chinchilla(const std::string& name, const std::string& source, const std::string& fitted_on,
               const Chinchilla& c) {
  Law law{.name = name,
          .formula = "L = E + A / N^alpha + B / D^beta",
          .source = source,
          .fitted_on = fitted_on,
          .caution = "dense models only",
          .constants = {{"E", c.E}, {"A", c.A}, {"alpha", c.alpha}, {"B", c.B}, {"beta", c.beta}},
          .ranges = {{LawArgument::Active, 70e6, 16e9},
                     {LawArgument::Tokens, 5e9, 500e9},
                     {LawArgument::Experts, 1, 1}}};
  law.value = [c](const LawPoint& p) { return chinchilla_loss(c, p.active, p.tokens); };
  law.dense = [c](double N, double D) { return chinchilla_loss(c, N, D); };
  law.has_optimum = true;
  return law;
}

struct Clark {
  double a, b, c, d, start, most;
};

///   (Y3)  log10 L = a n + b e + c n e + d,   n = log10 N, e = log10 E^ by (Y2)
/// Source: Clark et al., arXiv 2202.01169, by others' quotation of its constants.
double clark_loss(const Clark& k, double N, double E) {
  const double n = std::log10(N), e = std::log10(saturated(E, k.start, k.most));
  return std::pow(10, k.a * n + k.b * e + k.c * n * e + k.d);
}

Law clark(const std::string& router, const Clark& k, const std::string& cutoff) {
  Law law{
      .name = "clark:" + router,
      .formula = "log10 L = a log10 N + b log10 E^ + c log10 N log10 E^ + d",
      .source = "Clark et al., arXiv 2202.01169, constants as others quote them",
      .fitted_on = "N 15e6 to 1.3e9, up to 512 experts, one a token, always 130e9 tokens",
      .caution = "constants of three digits: experts stop helping at N = 10^(-b/c), " + cutoff,
      .constants = {{"a", k.a}, {"b", k.b}, {"c", k.c}, {"d", k.d}, {"E_start", k.start}, {"E_max", k.most}},
      .ranges = {{LawArgument::Active, 15e6, 1.3e9},
                 {LawArgument::Experts, 1, 512},
                 {LawArgument::Tokens, 130e9, 130e9, false}}};
  law.value = [k](const LawPoint& p) { return clark_loss(k, p.active, p.experts); };
  law.dense = [k](double N, double) { return clark_loss(k, N, 1); };
  return law;
}

struct Krajewski {
  double a = 18.1, alpha = .115, b = 30.8, beta = .147, g = 2.1, gamma = .58, c = .47;
};
constexpr Krajewski kKrajewski;
constexpr Chinchilla kKrajewskiDense{.47, 16.3, .126, 26.7, .127};

///   (Y4)  L = c + (g / G^gamma + a) / N^alpha + b / D^beta,   N all parameters, E = 64
/// Source: Krajewski et al., Scaling Laws for Fine-Grained Mixture of Experts, arXiv 2402.07871, Table 1; its
/// law of dense models is (Y1) with the constants of the same table.
double krajewski_loss(const Krajewski& k, double N, double D, double G) {
  return k.c + (k.g / std::pow(G, k.gamma) + k.a) / std::pow(N, k.alpha) + k.b / std::pow(D, k.beta);
}

Law krajewski() {
  const Krajewski& k = kKrajewski;
  Law law{
      .name = "krajewski",
      .formula = "L = c + (g / G^gamma + a) / N^alpha + b / D^beta",
      .source = "Krajewski et al., arXiv 2402.07871, Table 1",
      .fitted_on = "129e6 to 3.7e9 parameters, 16e9 to 130e9 tokens, G 1 to 16, E 64; rms error 0.015",
      .caution = "N is the total: with the active parameters a mixture would look worse than a dense model",
      .constants = {{"a", k.a},
                    {"alpha", k.alpha},
                    {"b", k.b},
                    {"beta", k.beta},
                    {"g", k.g},
                    {"gamma", k.gamma},
                    {"c", k.c}},
      .ranges = {{LawArgument::Total, 129e6, 3.7e9},
                 {LawArgument::Tokens, 16e9, 130e9},
                 {LawArgument::Granularity, 1, 16},
                 {LawArgument::Experts, 64, 64}}};
  law.value = [](const LawPoint& p) { return krajewski_loss(kKrajewski, p.total, p.tokens, p.granularity); };
  law.dense = [](double N, double D) { return chinchilla_loss(kKrajewskiDense, N, D); };
  return law;
}

Law krajewski_dense() {
  Law law = chinchilla("krajewski:dense", "Krajewski et al., arXiv 2402.07871, Table 1",
                       "129e6 to 3.7e9 parameters, 16e9 to 130e9 tokens", kKrajewskiDense);
  law.ranges = {
      {LawArgument::Active, 129e6, 3.7e9}, {LawArgument::Tokens, 16e9, 130e9}, {LawArgument::Experts, 1, 1}};
  return law;
}

struct Ludziejewski {
  double a = 35.91, alpha = -.1889, delta = -.2285, gamma = .0098, b = 35.98, beta = -.1775, omega = .5529,
         zeta = -.0259, start = 2.0732, most = 290.4521, c = 1.3637;
};
constexpr Ludziejewski kLudziejewski;

///   (Y5)  L = a E^^delta N^(alpha + gamma ln E^) + b E^^omega D^(beta + zeta ln E^) + c,   N active, E^ by (Y2)
/// Source: Ludziejewski et al., Joint MoE Scaling Laws, arXiv 2502.05172, Table 3.
double ludziejewski_loss(const Ludziejewski& k, double N, double D, double E) {
  const double e = saturated(E, k.start, k.most), log_e = std::log(e);
  return k.a * std::pow(e, k.delta) * std::pow(N, k.alpha + k.gamma * log_e) +
         k.b * std::pow(e, k.omega) * std::pow(D, k.beta + k.zeta * log_e) + k.c;
}

Law ludziejewski() {
  const Ludziejewski& k = kLudziejewski;
  Law law{.name = "ludziejewski",
          .formula = "L = a E^^delta N^(alpha + gamma ln E^) + b E^^omega D^(beta + zeta ln E^) + c",
          .source = "Ludziejewski et al., arXiv 2502.05172, Table 3",
          .fitted_on = "280 runs up to 2.7e9 active and 5e9 total parameters, 1 to 32 experts, one a token",
          .caution = "four-digit constants: its Table 4 for one expert differs in the fourth digit",
          .constants = {{"a", k.a},
                        {"alpha", k.alpha},
                        {"delta", k.delta},
                        {"gamma", k.gamma},
                        {"b", k.b},
                        {"beta", k.beta},
                        {"omega", k.omega},
                        {"zeta", k.zeta},
                        {"E_start", k.start},
                        {"E_max", k.most},
                        {"c", k.c}},
          .ranges = {{LawArgument::Active, 0, 2.7e9},
                     {LawArgument::Tokens, 0, HUGE_VAL},
                     {LawArgument::Experts, 1, 32}}};
  law.value = [](const LawPoint& p) {
    return ludziejewski_loss(kLudziejewski, p.active, p.tokens, p.experts);
  };
  law.dense = [](double N, double D) { return ludziejewski_loss(kLudziejewski, N, D, 1); };
  law.has_optimum = true;
  return law;
}

struct Abnar {
  double a = 16612.50, alpha = .5962, b = 5455.67, beta = .3954, c = .4598, lambda = -.1666, d = 17.26,
         delta = .1603, gamma = .1595, e = .94;
};
constexpr Abnar kAbnar;

///   (Y6)  L = a / N^alpha + b / D^beta + c / (1 - S)^lambda + d / ((1 - S)^delta N^gamma) + e,   N all parameters
/// S = (E - K) / E. Source: Abnar et al., Parameters vs FLOPs, arXiv 2501.12370, by others' quotation
/// of its constants.
double abnar_loss(const Abnar& k, double N, double D, double S) {
  return k.a / std::pow(N, k.alpha) + k.b / std::pow(D, k.beta) + k.c / std::pow(1 - S, k.lambda) +
         k.d / (std::pow(1 - S, k.delta) * std::pow(N, k.gamma)) + k.e;
}

Law abnar() {
  const Abnar& k = kAbnar;
  Law law{.name = "abnar",
          .formula = "L = a / N^alpha + b / D^beta + c / (1 - S)^lambda + d / ((1 - S)^delta N^gamma) + e",
          .source = "Abnar et al., arXiv 2501.12370, constants as others quote them",
          .fitted_on = "sparsity 0.25 to 0.98; explains 68 % of the variance of what was held out",
          .caution = "N is the total; its dense-equivalent takes S = 0, which was not fitted",
          .constants = {{"a", k.a},
                        {"alpha", k.alpha},
                        {"b", k.b},
                        {"beta", k.beta},
                        {"c", k.c},
                        {"lambda", k.lambda},
                        {"d", k.d},
                        {"delta", k.delta},
                        {"gamma", k.gamma},
                        {"e", k.e}},
          .ranges = {{LawArgument::Total, 0, HUGE_VAL},
                     {LawArgument::Tokens, 0, HUGE_VAL},
                     {LawArgument::Sparsity, .25, .98}}};
  law.value = [](const LawPoint& p) {
    return abnar_loss(kAbnar, p.total, p.tokens, value_of(LawArgument::Sparsity, p));
  };
  law.dense = [](double N, double D) { return abnar_loss(kAbnar, N, D, 0); };
  return law;
}

struct Tian {
  double a = 1.23, d = -7.61e-2, gamma = 1.67e-2, beta = -1.17e-1, start = 1.63e-2, most = 5.28e16;
};
constexpr Tian kTian;

///   (Y7)  EL = A^^(a + d log10 C + gamma (log2 G)^2 + beta log2 G),   1 / A^ = 1 / (A + 1 / (1 / A_start - 1 / A_max)) + 1 / A_max
/// A = K / E. EL is how many times the compute of this model a dense one needs for its loss. The bases of the logarithms
/// are not printed there: these give the values that its text quotes. Source: Tian et al., Towards Greater Leverage,
/// arXiv 2507.17702, eq. 13 and Table 2.
double tian_leverage(const Tian& k, double A, double C, double G) {
  const double log_g = std::log2(G), a = saturated(A + 1, k.start, k.most);
  return std::pow(a, k.a + k.d * std::log10(C) + k.gamma * log_g * log_g + k.beta * log_g);
}

Law tian() {
  const Tian& k = kTian;
  Law law{
      .name = "tian",
      .formula = "EL = A^^(a + d log10 C + gamma (log2 G)^2 + beta log2 G)",
      .source = "Tian et al., arXiv 2507.17702, eq. 13 and Table 2",
      .fitted_on = "300 models up to 28e9 parameters, leverages below 6",
      .caution = "an efficiency leverage, not a loss; the bases of its logarithms are inferred from its text",
      .answer = LawAnswer::Leverage,
      .constants = {{"a", k.a},
                    {"d", k.d},
                    {"gamma", k.gamma},
                    {"beta", k.beta},
                    {"A_start", k.start},
                    {"A_max", k.most}},
      .ranges = {{LawArgument::Flops, 0, HUGE_VAL},
                 {LawArgument::Granularity, 0, HUGE_VAL},
                 {LawArgument::Experts, 1, HUGE_VAL}}};
  law.value = [](const LawPoint& p) {
    return tian_leverage(kTian, p.top_k / p.experts, p.flops, p.granularity);
  };
  return law;
}

///   (Y8)  N' = sqrt(N_total N_active)
Law geometric_mean() {
  return {.name = "sqrt",
          .formula = "N' = sqrt(N_total N_active)",
          .source = "folklore: repeated in talks and tools, without an experiment",
          .fitted_on = "nothing",
          .caution = "no controlled evidence",
          .answer = LawAnswer::Parameters,
          .constants = {},
          .ranges = {{LawArgument::Active, 0, HUGE_VAL}, {LawArgument::Total, 0, HUGE_VAL}},
          .value = [](const LawPoint& p) { return std::sqrt(p.total * p.active); },
          .dense = {}};
}

}  // namespace

const std::vector<Law>& laws() {
  static const std::vector<Law> all{
      chinchilla("hoffmann", "Hoffmann et al., arXiv 2203.15556",
                 "over 400 models, 70e6 to 16e9 parameters, 5e9 to 500e9 tokens",
                 {1.69, 406.4, .34, 410.7, .28}),
      clark("s-base", {-.082, -.108, .009, 1.104, 1.847, 314.478}, "by these 1.0e12, in the paper 937e9"),
      clark("rl-r", {-.083, -.126, .012, 1.111, 1.880, 469.982}, "by these 32e9, in the paper 85e9"),
      clark("hash", {-.087, -.136, .012, 1.157, 4.175, 477.741}, "by these 215e9"),
      krajewski(),
      krajewski_dense(),
      chinchilla("besiroglu", "Besiroglu et al., arXiv 2404.10102",
                 "Hoffmann's models again, as read off a figure", {1.8172, 482.01, .3478, 2085.43, .3658}),
      abnar(),
      ludziejewski(),
      tian(),
      geometric_mean()};
  return all;
}

}  // namespace moe
