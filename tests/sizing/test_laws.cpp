#include "../support.h"
#include "moe/laws.h"

using namespace moe;

namespace {

LawPoint active(double N, double D, double E = 1) { return {.active = N, .tokens = D, .experts = E}; }
LawPoint total(double N, double D, double E, double K = 1) {
  return {.total = N, .tokens = D, .experts = E, .top_k = K};
}
double law(const std::string& name, const LawPoint& at) { return evaluate_law(law_called(name), at); }

}  // namespace

// The numbers come from another program that evaluates the same constants, and, where a paper is named, from what is
// quoted of it.
TEST_CASE("laws: dense models, as Hoffmann and Besiroglu have them") {
  CHECK(prints(law("hoffmann", active(70e9, 1.4e12)), 1.93665, 1e-5));
  CHECK(prints(law("besiroglu", active(70e9, 1.4e12)), 1.97388, 1e-5));
}

TEST_CASE("laws: routed models, as Clark has them") {
  const std::vector<std::pair<double, double>> s_base{{1, 2.2374}, {8, 2.1496}, {128, 2.0217}, {512, 1.9823}};
  for (const auto& [E, loss] : s_base) CHECK(prints(law("clark:s-base", active(1.3e9, NAN, E)), loss, 1e-4));
  const double five_million = dense_equivalent(law_called("clark:s-base"), active(5e6, NAN, 128));
  CHECK(prints(five_million, 51.8e6,
               0.1e6));  // the paper: about 55 million, which three-digit constants do not give
  CHECK(std::abs(five_million - 55e6) > 2e6);
}

TEST_CASE("laws: Clark's dense-equivalent is the closed form") {
  // n' = (log10 L - d - b e0) / (a + c e0), e0 = log10 E_start
  for (const char* name : {"clark:s-base", "clark:rl-r", "clark:hash"}) {
    const Law& l = law_called(name);
    const auto constant = [&](std::size_t i) { return l.constants.at(i).value; };
    const LawPoint at = active(2e8, NAN, 64);
    const double e0 = std::log10(constant(4));
    const double n =
        (std::log10(evaluate_law(l, at)) - constant(3) - constant(1) * e0) / (constant(0) + constant(2) * e0);
    CHECK(std::abs(dense_equivalent(l, at) / std::pow(10, n) - 1) < 1e-9);
  }
}

TEST_CASE("laws: where Clark's experts stop helping depends on digits that are not printed") {
  const auto cutoff = [](const char* name) {
    const Law& l = law_called(name);
    return std::pow(10, -l.constants.at(1).value / l.constants.at(2).value);
  };
  CHECK(prints(cutoff("clark:s-base"), 1.0e12, 0.1e12));  // printed: 937e9
  CHECK(prints(cutoff("clark:rl-r"), 31.6e9, 0.1e9));     // printed: 85e9
  // There, by the law, any number of experts gives the loss of one.
  CHECK(std::abs(law("clark:s-base", active(1e12, NAN, 512)) / law("clark:s-base", active(1e12, NAN, 1)) -
                 1) < 1e-9);
}

TEST_CASE("laws: fine-grained experts, as Krajewski has them") {
  const std::vector<std::pair<double, double>> table{
      {1, 3.2095}, {2, 3.1487}, {4, 3.1081}, {8, 3.0809}, {16, 3.0627}};
  for (const auto& [G, loss] : table) {
    LawPoint at = total(1.6e9, 16e9, 64);
    at.granularity = G;
    CHECK(prints(law("krajewski", at), loss, 1e-4));
  }
  CHECK(prints(law("krajewski:dense", active(25e6, 16e9)), 3.7265, 1e-4));
  // The trap: N is the total. With the 25e6 that a token uses, a mixture would lose to a dense model of that size.
  LawPoint trap = total(25e6, 16e9, 64);
  trap.granularity = 1;
  CHECK(law("krajewski", trap) > 3.7265);
}

TEST_CASE("laws: the joint law, as Ludziejewski has it") {
  const std::vector<std::pair<double, double>> table{{1, 2.57760}, {2, 2.55868},  {4, 2.53516},
                                                     {8, 2.50878}, {16, 2.48139}, {32, 2.45456}};
  for (const auto& [E, loss] : table) CHECK(prints(law("ludziejewski", active(1e9, 2e10, E)), loss, 1e-5));
  CHECK(prints(dense_equivalent(law_called("ludziejewski"), active(1e9, 2e10, 8)), 1.76e9, 1e7));
  CHECK(prints(dense_equivalent(law_called("ludziejewski"), active(1e9, 2e11, 8)), 1.90e9, 1e7));
  CHECK(std::abs(dense_equivalent(law_called("ludziejewski"), active(1e9, 2e10, 1)) / 1e9 - 1) < 1e-9);
}

TEST_CASE("laws: at one expert the joint law is m N^mu + n D^nu + c, to the digits that its constants have") {
  // Slopes of the logarithms of its two terms, by differences of losses that have the other term in common.
  const double c = 1.3637;
  const auto loss = [](double N, double d) { return law("ludziejewski", active(N, d)); };
  const double big = 1e300;  // a term that is gone
  CHECK(prints(std::log(loss(1e10, big) - c), std::log(30.399) - .1818 * std::log(1e10), 0.003));
  const double mu = (std::log(loss(1e10, big) - c) - std::log(loss(1e8, big) - c)) / std::log(100);
  const double nu = (std::log(loss(big, 1e10) - c) - std::log(loss(big, 1e8) - c)) / std::log(100);
  CHECK(prints(mu, -.1818, 1e-4));                                          // printed in its Table 4: -.1817
  CHECK(prints(nu, -.1964, 1e-4));                                          // printed: -.1965
  CHECK(prints((loss(1e10, big) - c) / std::pow(1e10, mu), 30.399, 1e-3));  // printed: 30.364
  CHECK(prints((loss(big, 1e10) - c) / std::pow(1e10, nu), 53.843, 1e-3));  // printed: 53.984
}

TEST_CASE("laws: sparsity, as Abnar has it") {
  const std::vector<std::array<double, 3>> table{{1, 1, 2.04204},  {2, 1, 2.04343},  {4, 1, 2.05635},
                                                 {10, 1, 2.09134}, {20, 1, 2.13172}, {50, 1, 2.20436}};
  for (const auto& [E, K, loss] : table) CHECK(prints(law("abnar", total(1e10, 2e11, E, K)), loss, 1e-5));
}

TEST_CASE("laws: leverage, as Tian has it, and which bases of logarithms it means") {
  const LawPoint at{.experts = 1000, .top_k = 31, .granularity = 12, .flops = 1e22};
  CHECK(prints(law("tian", at), 7.245, 1e-3));  // the paper: more than 7
  const auto leverage = [&](double G) {
    LawPoint p = at;
    p.granularity = G;
    return law("tian", p);
  };
  // The best granularity is 2^(-beta / (2 gamma)) = 11.3; the paper says 8 to 12.
  const double best = std::pow(2, .117 / (2 * .0167));
  CHECK(prints(best, 11.3, 0.1));
  CHECK(leverage(best) > leverage(best * 1.01));
  CHECK(leverage(best) > leverage(best / 1.01));
  // With natural logarithms in both places it would be in the thousands.
  const double natural = std::pow(
      law("tian", at),
      (1.23 - 7.61e-2 * std::log(1e22) + 1.67e-2 * std::pow(std::log(12), 2) - 1.17e-1 * std::log(12)) /
          (1.23 - 7.61e-2 * 22 + 1.67e-2 * std::pow(std::log2(12), 2) - 1.17e-1 * std::log2(12)));
  CHECK(prints(natural, 5334, 1));
}

TEST_CASE("laws: the geometric mean") {
  const auto mean = [](double total_, double active_) {
    return law("sqrt", {.active = active_, .total = total_});
  };
  CHECK(prints(mean(671e9, 37e9), 158e9, 1e9));           // DeepSeek-V3 as its report rounds it
  CHECK(!prints(mean(671.026e9, 36.626e9), 158e9, 1e9));  // without the input table: 157
  CHECK(prints(mean(1026.408e9, 32.862e9), 184e9, 1e9));  // Kimi-K2
  CHECK(prints(mean(46.703e9, 12.880e9), 24.5e9, 1e8));   // Mixtral-8x7B
  // A quarter to a third more than the joint law gives 1e9 active parameters with eight experts.
  const double sqrt_of = mean(total_of_top1(1e9, 8), 1e9);
  CHECK(prints(total_of_top1(1e9, 8), 5.7e9, 1e8));
  CHECK(prints(sqrt_of, 2.4e9, 1e8));
  CHECK(prints(sqrt_of / dense_equivalent(law_called("ludziejewski"), active(1e9, 2e10, 8)), 1.35, 0.01));
  CHECK(prints(sqrt_of / dense_equivalent(law_called("ludziejewski"), active(1e9, 2e11, 8)), 1.25, 0.01));
}

TEST_CASE("laws: the best size for 1e21 FLOPs") {
  struct Row {
    double E, N, tokens_each, loss;
  };
  for (const Row& r :
       {Row{1, 5.71e9, 5.1, 2.3502}, Row{8, 3.79e9, 11.6, 2.2945}, Row{32, 2.88e9, 20.1, 2.2483}}) {
    const LawOptimum best = best_size(law_called("ludziejewski"), 1e21, r.E);
    CHECK(prints(best.active, r.N, 1e7));
    CHECK(prints(best.tokens / best.active, r.tokens_each, 0.1));
    CHECK(prints(best.loss, r.loss, 1e-4));
    CHECK(std::abs(6 * best.active * best.tokens / 1e21 - 1) < 1e-12);
  }
}

TEST_CASE("laws: the best size of a dense model is the closed form") {
  // N = G (C / 6)^(beta / (alpha + beta)), G = (alpha A / (beta B))^(1 / (alpha + beta)): Hoffmann et al.
  const double G = std::pow(.34 * 406.4 / (.28 * 410.7), 1 / .62);
  for (const double C : {1e19, 1e21, 5.76e23}) {
    const double N = G * std::pow(C / 6, .28 / .62);
    // Near its least value a loss in double is flat to a relative sqrt(2^-53).
    CHECK(std::abs(best_size(law_called("hoffmann"), C, 1).active / N - 1) < 1e-6);
  }
}

TEST_CASE("laws: outside of what was fitted it is said so, and what is missing has a name") {
  CHECK(extrapolations(law_called("ludziejewski"), active(1e9, 2e10, 32)).empty());
  CHECK(extrapolations(law_called("ludziejewski"), active(3e9, 2e10, 64)) ==
        std::vector<std::string>{"active 3e+09 is outside [0, 2.7e+09]", "experts 64 is outside [1, 32]"});
  CHECK(extrapolations(law_called("abnar"), total(1e10, 2e11, 2, 2)) ==
        std::vector<std::string>{"sparsity 0 is outside [0.25, 0.98]"});
  CHECK(missing_arguments(law_called("krajewski"), active(1e9, 2e10)) ==
        std::vector<LawArgument>{LawArgument::Total, LawArgument::Granularity});
  CHECK(error_of([] { law("krajewski", active(1e9, 2e10)); }) == "krajewski: total is not given");
  CHECK(error_of([] { law("ludziejewski", active(-1, 2e10)); }) == "active = -1 must be positive and finite");
  CHECK(error_of([] { law("ludziejewski", active(1e9, HUGE_VAL)); }) ==
        "tokens = inf must be positive and finite");
  CHECK(error_of([] { law("ludziejewski", active(1e9, 1e9, 0.5)); }) == "experts = 0.5 must be at least 1");
  CHECK(error_of([] { law("abnar", total(1e9, 1e9, 2, 3)); }) == "top-k = 3 must lie in [1, experts = 2]");
  CHECK(error_of([] { law_called("moore"); }).starts_with("LAW = \"moore\" must be one of hoffmann, "));
  CHECK(error_of([] {
          best_size(law_called("abnar"), 1e21, 1);
        }).starts_with("LAW = \"abnar\" must be one that "));
  CHECK(error_of([] { best_size(law_called("hoffmann"), -1, 1); }) ==
        "flops = -1 must be positive and finite");
}

TEST_CASE("laws: every law says where it is from, and answers inside the range of its fit") {
  CHECK(laws().size() == 11);
  for (const Law& l : laws()) {
    CAPTURE(l.name);
    CHECK(!l.source.empty());
    CHECK(!l.fitted_on.empty());
    const LawPoint inside{
        .active = 1e9, .total = 3e9, .tokens = 2e10, .experts = 4, .granularity = 2, .flops = 1e21};
    CHECK(std::isfinite(evaluate_law(l, inside)));
    if (l.has_optimum) CHECK(std::isfinite(dense_equivalent(l, inside)));
  }
}
