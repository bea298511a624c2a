#include "moe/certify.h"

#include <limits>

#include "alternatives.h"
#include "gradient.h"
#include "invariants.h"
#include "ledger.h"

namespace moe {
namespace {

constexpr slong kPrecisions[] = {128, 256, 512, 1280, 2560};

/// Calls visit(choice) for every choice that differs from `chosen` in which of the tied `members` stand in its last
/// places, in lexicographic order, until visit returns false.
void each_replacement(const std::vector<Index>& chosen, const std::vector<Index>& members,
                      const std::function<bool(const std::vector<Index>&)>& visit) {
  std::size_t places = 0;
  while (places < chosen.size() &&
         std::count(members.begin(), members.end(), chosen[chosen.size() - 1 - places]) > 0)
    ++places;
  std::vector<char> taken(members.size(), 0);
  std::fill_n(taken.begin(), places, char{1});
  do {
    std::vector<Index> choice = chosen;
    std::size_t at_place = chosen.size() - places;
    for (std::size_t i = 0; i < members.size(); ++i)
      if (taken[i] != 0) choice[at_place++] = members[i];
    if (choice != chosen && !visit(choice)) return;
  } while (std::prev_permutation(taken.begin(), taken.end()));
}

/// x > 0 rounded down to three decimal digits; a lower bound of it where it is out of binary64's reach. Throws Undecided
/// where the ball straddles a digit.
double three_digits_down(const Ball& x) {
  const std::int32_t binary = exponent_of(x);
  if (binary < -1020) return 0;
  if (binary > 1020) return 1e300;
  int exponent = static_cast<int>(std::floor(std::log10(approx(x)))) - 2;
  for (;; ++exponent) {
    Ball power(1);
    for (int i = 0; i < std::abs(exponent); ++i) power = power * Ball(10);
    const std::optional<slong> digits = unique_floor(exponent < 0 ? x * power : x / power);
    if (!digits) throw Undecided("the digits of a margin");
    if (*digits < 1000) return std::stod(std::to_string(*digits) + 'e' + std::to_string(exponent));
  }
}

/// How far the last of the chosen is from the best of those that are open and were not: 0 if they tie.
double margin_of(const std::vector<Key<Ball>>& key, const std::vector<Index>& chosen,
                 std::vector<char> open) {
  for (const Index i : chosen) at(open, i) = 0;
  if (std::count(open.begin(), open.end(), 1) == 0) return std::numeric_limits<double>::infinity();
  const Key<Ball>&last = at(key, chosen.back()), &next = at(key, best(key, 1, open).front());
  if (tied(last, next)) return 0;
  // Where all that is not exact cancels, so do its balls, which would straddle a digit that the difference ends with.
  return three_digits_down(same_but_exact(last, next) ? last.exact - next.exact : last.score - next.score);
}

/// The ties among the open keys that have something to do with the choice.
std::vector<Tie> ties_of(const std::vector<Key<Ball>>& key, const std::vector<Index>& chosen,
                         const std::vector<char>& open, Index token) {
  std::vector<char> is_chosen(key.size(), 0), listed = is_chosen;
  for (const Index i : chosen) at(is_chosen, i) = 1;
  std::vector<Tie> ties;
  for (const Index i : chosen) {
    Tie tie{token, {}, false, {}};
    for (Index j = 0; j < static_cast<Index>(key.size()); ++j) {
      if (!at(open, j) || at(listed, j) || !tied(at(key, i), at(key, j))) continue;
      tie.members.push_back(j);
      tie.at_boundary = tie.at_boundary || !at(is_chosen, j);
    }
    for (const Index j : tie.members) at(listed, j) = 1;
    if (tie.members.size() > 1) ties.push_back(std::move(tie));
  }
  return ties;
}

/// Does the K-th largest key, or the next, tie with a neighbour? Then the load loss, which takes them for thresholds,
/// has two slopes.
bool threshold_ties(const std::vector<Key<Ball>>& key, Index K) {
  const Index E = static_cast<Index>(key.size());
  if (K == E) return false;
  const std::vector<Index> order = best(key, std::min(K + 2, E), all_open(E));
  for (Index i = std::max<Index>(K - 2, 0); i + 1 < static_cast<Index>(order.size()); ++i)
    if (tied(at(key, at(order, i)), at(key, at(order, i + 1)))) return true;
  return false;
}

/// How far each token is from another choice, and what in it is equal.
void judge_choice(const Config& config, const RouterLogits<Ball>& logits, const Params<Ball>& params,
                  Certified& result) {
  const Matrix<Ball> b = all_rows(params.selection_bias), given = all_rows(params.given_ids);
  const Matrix<Ball>& z = logits.logits;
  const Router& router = config.router;
  const Index E = z.cols(), K = config.shape.top_k;
  result.margin.clear(), result.ties.clear(), result.group_margin.clear(), result.group_ties.clear(),
      result.threshold_tie = false;
  for (Index t = 0; t < z.rows(); ++t) {
    Ranking<Ball> ranking = ranking_of(router, row(z, t), b.data(), E);
    if (has_noise(config)) ranking.expert = noisy_keys(config.noise, logits.noise, z, t);
    if (chooses_by_input(config)) ranking.expert = keys_of_input(config, logits, given, t);
    std::vector<Index> groups;
    if (has_groups(config)) {
      const std::vector<char> all = all_open(router.n_group);
      groups = best(ranking.group, router.topk_group, all);
      result.group_margin.push_back(margin_of(ranking.group, groups, all));
      for (Tie& tie : ties_of(ranking.group, groups, all, t)) {
        if (tie.at_boundary)
          each_replacement(groups, tie.members, [&](const std::vector<Index>& others) {
            std::vector<Key<Ball>> expert = ranking.expert;
            const std::vector<char> compete = let_compete(router, others, expert);
            tie.instead.push_back(best(expert, K, compete));
            return tie.instead.size() <= kMostAlternatives;
          });
        result.group_ties.push_back(std::move(tie));
      }
    }
    const std::vector<char> open = let_compete(router, groups, ranking.expert);
    const std::vector<Index> chosen = best(ranking.expert, K, open);
    result.margin.push_back(margin_of(ranking.expert, chosen, open));
    for (Tie& tie : ties_of(ranking.expert, chosen, open, t)) result.ties.push_back(std::move(tie));
    if (has_load_loss(config))
      result.threshold_tie = result.threshold_tie || threshold_ties(ranking.expert, K);
  }
}

/// How far the second weight of each token is from what (R6) compares it with.
void judge_policy(const Config& config, const Matrix<Ball>& z, const Matrix<Ball>& u,
                  const Decisions& decisions, Certified& result) {
  result.policy_margin.clear();
  if (!weighs_second(config.router)) return;
  const Matrix<Ball> w = early_weights(config.router, z, decisions.expert);
  for (Index t = 0; t < w.rows(); ++t) {
    const Ball least = least_second(config.router, u, t);
    result.policy_margin.push_back(same(w(t, 1), least)      ? 0.0
                                   : greater(w(t, 1), least) ? three_digits_down(w(t, 1) - least)
                                                             : three_digits_down(least - w(t, 1)));
  }
}

Decisions decide_provably(const Config& config, const Params<Ball>& params, Certified& result) {
  if (!has_router(config)) return decide(config, params);
  const RouterLogits<Ball> z = logits_forward(config, all_rows(params.x), params);
  Decisions decisions = decide(config, z, params);
  const Lots<Ball> lots = lots_of(params);
  judge_choice(config, z, params, result);
  judge_policy(config, z.logits, lots.second_policy, decisions, result);
  result.others = other_decisions(config, z.logits, lots, decisions, result.ties, result.group_ties);
  return decisions;
}

/// Calls pass() at one precision after the other until it says true: everything is settled. Undecided asks for more bits,
/// too. Returns the bits; throws CannotRun where a decision stays undecided at the most.
template <typename Pass>
int at_rising_precision(Pass pass) {
  for (const slong bits : kPrecisions) {
    const Bits precision(bits);
    const bool last = bits == kPrecisions[std::size(kPrecisions) - 1];
    try {
      if (pass() || last) return static_cast<int>(bits);
    } catch (const Undecided&) {
      if (last) throw CannotRun("refused: a decision stays undecided at " + std::to_string(bits) + " bits");
    }
  }
  return 0;
}

/// Is an expert exactly where it has no derivative? A squared ReLU has one everywhere: only the second jumps at 0.
bool at_a_kink(const Config& config, const Trace<Ball>& trace) {
  bool found = false;
  each_bend(config, trace, [&](const Ball& z, double bend) { found = found || same(z, Ball(bend)); });
  return found;
}

/// One case on its way through the precisions.
class Certifier {
 public:
  Certifier(const Config& config, const Inputs& inputs, const CertifyOptions& options)
      : config_(config), inputs_(inputs), options_(options) {}

  Certified run() {
    result_.bits = at_rising_precision([&] {
      try {
        return pass() == 0;
      } catch (const Undecided&) {
        ledger_ = Ledger();
        throw;
      }
    });
    ledger_.close(result_);
    return std::move(result_);
  }

 private:
  /// Everything at the current precision; returns how many numbers stay open.
  Index pass() {
    const double forward = options_.backward ? 0.2 : 1;  // share of the work
    double read = 0, all = 0;                            // of the forward pass, while it runs
    const std::function<void()> tick = [&] {
      if (all > 0) options_.progress(forward * std::min(1.0, ++read / all));
    };
    const auto params = params_of<Ball>(config_, inputs_, tick);
    if (!decided_) result_.decisions = decide_provably(config_, params, result_);
    decided_ = true;
    all = weights_read(config_, result_.decisions.plan, false);
    const Trace<Ball> trace = layer_forward(config_, params, result_.decisions);
    each_tensor(config_, trace, [&](auto&&... block) { ledger_(block...); });
    all = 0;
    if (!options_.backward) return ledger_.open_after_pass();
    const bool prove = options_.prove_gradient && !result_.gradient;
    DerivativeByGradient by_gradient(config_, Direction{options_.case_number});
    Sample sample(config_, options_.case_number, at_a_kink(config_, trace) ? 0 : samples());
    Invariants invariants(config_, params, trace);
    const auto visit = [&](auto&&... block) {
      ledger_(block...);
      if (prove) by_gradient(block...), sample(block...);
    };
    const double E = static_cast<double>(config_.shape.num_experts);
    const Grads<Ball> grads =
        layer_backward(config_, params, trace, [&](Index e, const ExpertWeightGrads<Ball>& g) {
          each_block(config_, e, g, visit);
          if (prove) invariants.add(e, g);
          options_.progress(0.2 + 0.6 * static_cast<double>(e + 1) / E);
        });
    each_tensor(config_, trace.dispatch, grads, visit);
    const Index open = ledger_.open_after_pass();
    return prove && !proven(trace, by_gradient, sample, invariants.values(grads)) ? open + 1 : open;
  }

  /// Central differences cost two forward passes each at more than twice the precision.
  Index samples() const {
    const auto [T, D, F, E, K] = Letters(config_);
    return T * K * D * F < (Index{1} << 20) ? 4 : 1;
  }

  /// The certificate; false where the derivative itself, or a sum rule's value, does not round yet.
  bool proven(const Trace<Ball>& trace, const DerivativeByGradient& by_gradient, const Sample& sample,
              std::optional<std::vector<Invariant>> invariants) {
    const Ball by_dual =
        derivative_by_dual(config_, inputs_, result_.decisions, Direction{options_.case_number});
    if (!overlap(by_dual, by_gradient.total()))
      throw CertificateBroken(
          "the gradients are not the derivative: " + std::to_string(approx(by_gradient.total())) +
          " by them, " + std::to_string(approx(by_dual)) + " by dual numbers, in one direction");
    const std::optional<double> derivative = correctly_rounded(by_dual);
    if (!derivative || !invariants) return false;
    const Index confirmed = sample.confirm(config_, inputs_, result_.decisions);
    const bool tied =
        !result_.others.list.empty() || !result_.others.complete ||
        std::any_of(result_.ties.begin(), result_.ties.end(), [](const Tie& tie) { return tie.at_boundary; });
    result_.gradient =
        GradientProof{*derivative, confirmed, !tied && !result_.threshold_tie && !at_a_kink(config_, trace),
                      std::move(*invariants)};
    return true;
  }

  const Config& config_;
  const Inputs& inputs_;
  const CertifyOptions& options_;
  bool decided_ = false;
  Ledger ledger_;
  Certified result_;
};

/// FLINT keeps caches per thread; a thread that ends without this leaks them.
struct FlintScope {
  FlintScope() = default;
  ~FlintScope() { flint_cleanup(); }
  FlintScope(const FlintScope&) = delete;
  FlintScope& operator=(const FlintScope&) = delete;
};

}  // namespace

Certified certify(const Config& config, const Inputs& inputs, const CertifyOptions& options) {
  const FlintScope scope;
  return Certifier(config, inputs, options).run();
}

Arrays certified_results(const Config& config, const Inputs& inputs, const Decisions& decisions) {
  const FlintScope scope;
  Ledger ledger;
  at_rising_precision([&] {
    const auto params = params_of<Ball>(config, inputs);
    const Trace<Ball> trace = layer_forward(config, params, decisions);
    each_tensor(config, trace, [&](const std::string& name, auto&&... block) {
      if (name == name_of(Tensor::y) || name == "loss.total") ledger(name, block...);
    });
    return ledger.open_after_pass() == 0;
  });
  Certified result;
  ledger.close(result);
  if (!result.refused.empty())
    throw CannotRun("refused: an admissible alternative has a result that cannot be rounded");
  return std::move(result.arrays);
}

std::string ball_library() {
#if __FLINT_RELEASE >= 30000
  return std::string("FLINT ") + FLINT_VERSION;  // Arb is part of it
#else
  return std::string("Arb ") + arb_version + ", FLINT " + FLINT_VERSION;
#endif
}

}  // namespace moe
