#include "routing.h"

#include <set>

#include "admissible.h"
#include "text.h"

namespace moe {
namespace {

std::vector<Index> row_of(const IdMatrix& ids, Index t) { return {row(ids, t), row(ids, t) + ids.cols()}; }

std::string ids_text(const std::vector<Index>& ids) {
  std::string text;
  for (const Index e : ids) text += (text.empty() ? "" : ",") + std::to_string(e);
  return '{' + text + '}';
}

/// An integer tensor of an answer as a (T, K) matrix; empty where it is not there or has another shape or type.
std::optional<Matrix<Index>> integers(const Answer& answer, const std::string& name, Index T, Index K) {
  const Array* a = tensor_of(answer.tensors, name);
  if (a == nullptr || is_real(a->format) || a->dims != Dims{T, K}) return std::nullopt;
  Matrix<Index> m(T, K);
  for (Index i = 0; i < m.size(); ++i) m.data()[i] = a->integer(i);
  return m;
}

/// In place of a token: what is wrong is wrong with all of them.
constexpr Index kWhole = -1;

void fail(RoutingVerdict& verdict, Index t, const std::string& what) {
  if (verdict.status == Status::Fail) return;
  verdict.status = Status::Fail;
  verdict.reason = (t < 0 ? "the answer" : "token " + std::to_string(t)) + ' ' + what;
}

}  // namespace

bool order_matters(const Config& config) {
  if (config.shape.top_k == 1) return false;
  if (weighs_second(config.router) || has_load_loss(config) || shares_what_is_left(config.router))
    return true;
  const Capacity& c = config.capacity;
  if (has_capacity(c) &&
      (ranks_tokens(c) || scales_x(c.dropped_output) || (!ranks_by_numbers(c) && choices_first(c))))
    return true;
  return std::any_of(config.aux.begin(), config.aux.end(),
                     [](const Aux& a) { return is_balance(a) && counts_first_only(a); });
}

bool ask_the_same(const Config& config, const IdMatrix& expert, Index a, Index b) {
  const Index T = expert.rows(), K = expert.cols();
  const Index scopes = parts_of(config.capacity.scope, config.shape.num_groups);
  return expert.data()[a] == expert.data()[b] && a / K * scopes / T == b / K * scopes / T;
}

bool surely_asks_before(const Capacity& capacity, const std::vector<Key<Bound>>& keys, Index K, Index a,
                        Index b) {
  const auto key = [&](Index i) { return at(keys, ranks_assignments(capacity) ? i : i / K).score; };
  const bool by_choice = !ranks_assignments(capacity) && choices_first(capacity);
  return by_choice && a % K != b % K ? a % K < b % K : low(key(a)) > high(key(b));
}

const Array* tensor_of(const Arrays& arrays, const std::string& name) {
  for (const auto& [known, a] : arrays)
    if (known == name) return &a;
  return nullptr;
}

Decisions decisions_for(const Config& config, const Inputs& inputs, const IdMatrix& ids,
                        const Matrix<std::uint8_t>& kept) {
  const auto params = params_of<double>(config, inputs);
  Matrix<double> z;
  if (has_router(config)) z = logits_forward(config, all_rows(params.x), params).logits;
  Decisions made = decide_for(config, z, ids, lots_of(params));
  if (has_load_loss(config) && ids.cols() < z.cols())
    for (Index t = 0; t < ids.rows(); ++t) {
      const std::vector<Index> chosen = row_of(ids, t);
      Index next = -1;
      for (Index e = 0; e < z.cols(); ++e)
        if (!contains(chosen, e) && (next < 0 || z(t, e) > z(t, next))) next = e;
      made.runner_up.push_back(static_cast<std::int32_t>(next));
    }
  if (kept.size() == 0 || kept == made.plan.kept) return made;
  Matrix<Index> rank(ids.rows(), ids.cols());
  std::iota(rank.data(), rank.data() + rank.size(), 0);
  made.plan = make_plan(ids, rank, config.shape.num_experts, rank.size(), 1, kept);
  return made;
}

namespace {

/// One pass over what a candidate says of its routing.
class RoutingJudge {
 public:
  RoutingJudge(const Config& config, const Inputs& inputs, const Decisions& expected, const Answer& answer,
               const Profile& profile, const OwnRanks& own)
      : config_(config),
        inputs_(inputs),
        expected_(expected),
        answer_(answer),
        T_(expected.expert.rows()),
        K_(expected.expert.cols()),
        profile_(profile) {
    if (!has_router(config)) return;
    of_inputs_ = rankings(config, inputs, profile);
    all_ =
        own.logits != nullptr || own.scores != nullptr ? rankings(config, inputs, profile, own) : of_inputs_;
  }

  CandidateRouting run() {
    for (Index t = 0; t < T_; ++t) describe(t);
    slot_.resize(static_cast<std::size_t>(T_ * K_));
    for (Index i = 0; i < T_ * K_; ++i) at(slot_, i) = i % std::max<Index>(K_, 1);
    IdMatrix ids = expected_.expert;
    if (const auto returned = integers(answer_, "router.topk_ids", T_, K_); returned && has_router(config_))
      for (Index t = 0; t < T_; ++t) take_ids(*returned, t, ids);
    const bool own = verdict_.status != Status::Fail;
    Decisions decisions =
        own && ids != expected_.expert ? decisions_for(config_, inputs_, ids, {}) : expected_;
    if (own) take_kept(decisions);
    std::vector<Index> rows = rows_of_candidate(decisions);
    summarize();
    return {std::move(verdict_), std::move(decisions), std::move(slot_), std::move(rows)};
  }

 private:
  void describe(Index t) {
    TokenRouting token;
    token.expected = token.got = row_of(expected_.expert, t);
    if (has_router(config_)) {
      const Gap gap = gap_of(config_, at(of_inputs_.of_token, t), token.expected);
      token.margin = gap.margin, token.bound = gap.bound;
      token.certainty = gap.margin > gap.bound ? Certainty::Certain
                        : gap.margin == 0      ? Certainty::Tie
                                               : Certainty::Ambiguous;
    }
    verdict_.tokens.push_back(std::move(token));
  }

  /// The candidate's experts of token t, in our order of slots where that is free.
  void take_ids(const Matrix<Index>& returned, Index t, IdMatrix& ids) {
    TokenRouting& token = at(verdict_.tokens, t);
    token.got.assign(row(returned, t), row(returned, t) + K_);
    const std::set<Index> set(token.got.begin(), token.got.end());
    const Index E = config_.shape.num_experts;
    if (static_cast<Index>(set.size()) < K_ || (K_ > 0 && (*set.begin() < 0 || *set.rbegin() >= E))) {
      token.agrees = token.admissible = false;
      return fail(verdict_, t,
                  "chooses " + ids_text(token.got) + ": experts must differ and lie in [0, " +
                      std::to_string(E) + ')');
    }
    token.agrees = set == std::set<Index>(token.expected.begin(), token.expected.end());
    if (!token.agrees && !all_.admits(config_, t, token.got)) {
      token.admissible = false;
      return fail(verdict_, t,
                  "chooses " + ids_text(token.got) + " where only " + ids_text(token.expected) +
                      " is right: the margin is " + short_text(token.margin) + ", and logits may be " +
                      short_text(token.bound) + " off");
    }
    std::vector<Index> order = token.agrees ? token.expected : token.got;
    if (order_matters(config_) && token.got != order) {
      for (Index k = 0; k + 1 < K_; ++k)
        if (surely_reversed(t, at(token.got, k), at(token.got, k + 1))) {
          token.admissible = false;
          return fail(verdict_, t,
                      "has its experts in the order " + ids_text(token.got) + " where only " +
                          ids_text(token.expected) + " is right");
        }
      order = token.got;
    }
    for (Index k = 0; k < K_; ++k) {
      ids(t, k) = static_cast<std::int32_t>(at(order, k));
      at(slot_, t * K_ + k) = std::find(token.got.begin(), token.got.end(), at(order, k)) - token.got.begin();
    }
  }

  /// Does expert b surely rank above expert a?
  bool surely_reversed(Index t, Index a, Index b) const {
    const auto below = [&](const std::vector<Candidates>& by) {
      return high(at(at(by, t).expert, a)) < low(at(at(by, t).expert, b));
    };
    return below(all_.of_token) && (all_.by_score.empty() || below(all_.by_score));
  }

  /// Where the second choice is taken up or not within what its weight may be off: (R6).
  bool policy_is_open(const Matrix<Bound>& w, const Matrix<double>& u, Index t) const {
    return std::abs(w(t, 1).v - least_second(config_.router, u, t)) <= w(t, 1).e;
  }

  /// What is known of one assignment beside the others that ask the same expert, in the same scope.
  struct Queue {
    Index surely_ahead = 0, maybe_ahead = 0;      // of it; those that are not taken up hold their places, too
    bool overtaken = false;                       // is one dropped that was taken up, and surely ahead?
    Index asked = 0, kept = 0, not_taken_up = 0;  // of all of them, it among them
  };
  /// By the numbers that rank them, each as far off as it may be: (P2).
  Queue queue_of(const std::vector<Key<Bound>>& keys, const Decisions& decisions,
                 const Matrix<std::uint8_t>& kept, Index i) const {
    const auto surely_before = [&](Index a, Index b) {
      return surely_asks_before(config_.capacity, keys, K_, a, b);
    };
    Queue queue;
    for (Index j = 0; j < kept.size(); ++j) {
      if (!ask_the_same(config_, decisions.expert, i, j)) continue;
      ++queue.asked, queue.kept += kept.data()[j];
      if (!is_taken_up(decisions, j)) ++queue.not_taken_up;
      if (j == i) continue;
      if (!surely_before(i, j)) ++queue.maybe_ahead;
      if (!surely_before(j, i)) continue;
      ++queue.surely_ahead;
      if (kept.data()[j] == 0 && is_taken_up(decisions, j)) queue.overtaken = true;
    }
    return queue;
  }
  static bool is_taken_up(const Decisions& decisions, Index i) {
    return decisions.taken_up.size() == 0 || decisions.taken_up.data()[i] != 0;
  }

  /// May those be kept that are, and no others: (P3)? What is wrong, else nothing.
  std::string against_ranks(const Matrix<Bound>& z, const Decisions& decisions,
                            const Matrix<std::uint8_t>& kept) const {
    const std::vector<Key<Bound>> keys =
        priority_keys(config_, z, decisions.expert, lots_of(params_of<Bound>(config_, inputs_)));
    const Index C = capacity_of(config_);
    for (Index i = 0; i < kept.size(); ++i) {
      const Queue queue = queue_of(keys, decisions, kept, i);
      const bool has_row = kept.data()[i] != 0;
      const bool too_few = queue.kept + queue.not_taken_up < std::min(C, queue.asked) ||
                           (!has_row && is_taken_up(decisions, i) && queue.maybe_ahead < C);
      if (queue.kept > C || too_few) return "has an expert that keeps more or fewer than its capacity says";
      if (has_row && (queue.overtaken || queue.surely_ahead >= C))
        return "keeps an assignment before one that surely ranks higher";
    }
    return "";
  }

  void take_kept(Decisions& decisions) {
    const auto returned = integers(answer_, "dispatch.kept", T_, K_);
    if (!returned) return;
    const bool policy = weighs_second(config_.router);
    const bool ranked = has_capacity(config_) && ranks_by_numbers(config_.capacity);
    const ProfileScope scope(profile_);
    const Lots<double> lots = lots_of(params_of<double>(config_, inputs_));
    const Matrix<double>& u = lots.second_policy;
    const Matrix<Bound> w =
        policy ? early_weights(config_.router, all_.z, decisions.expert) : Matrix<Bound>();
    if (policy) {  // what was taken up where rounding may decide: the rest follows from it
      for (Index t = 0; t < T_; ++t)
        if (policy_is_open(w, u, t))
          decisions.taken_up(t, 1) = (*returned)(t, at(slot_, t * K_ + 1)) != 0 ? 1 : 0;
      const auto params = params_of<double>(config_, inputs_);
      const Matrix<double> z = logits_forward(config_, all_rows(params.x), params).logits;
      set_plan(config_, places(priority_keys(config_, z, decisions.expert, lots)), decisions);
    }
    Matrix<std::uint8_t> kept = decisions.plan.kept;
    for (Index t = 0; t < T_; ++t)
      for (Index k = 0; k < K_; ++k) {
        const Index value = (*returned)(t, at(slot_, t * K_ + k));
        if (value == kept(t, k)) continue;
        const bool open = (value == 0 || (value == 1 && is_taken_up(decisions, t * K_ + k))) && ranked;
        if (!open)
          return fail(verdict_, t,
                      std::string(value != 0 ? "keeps" : "drops") + " its choice " + std::to_string(k) +
                          " where it must not");
        kept(t, k) = static_cast<std::uint8_t>(value);
      }
    if (const std::string wrong = ranked ? against_ranks(all_.z, decisions, kept) : ""; !wrong.empty())
      return fail(verdict_, kWhole, wrong);
    if (kept != decisions.plan.kept) decisions = decisions_for(config_, inputs_, decisions.expert, kept);
  }

  /// The candidate's row of each of ours, by its dispatch.order; the same where it returned none.
  std::vector<Index> rows_of_candidate(const Decisions& decisions) {
    const Plan& plan = decisions.plan;
    std::vector<Index> rows(static_cast<std::size_t>(plan.N()));
    std::iota(rows.begin(), rows.end(), 0);
    const Array* order = tensor_of(answer_.tensors, "dispatch.order");
    if (order == nullptr || is_real(order->format) || order->dims != Dims{plan.N()}) return rows;
    std::map<Index, Index> row_of_assignment;  // by our numbers t K + k
    for (Index t = 0; t < T_; ++t)
      for (Index k = 0; k < K_; ++k) row_of_assignment[t * K_ + at(slot_, t * K_ + k)] = plan.row(t, k);
    std::vector<Index> matched(rows.size(), -1);
    for (Index n = 0; n < plan.N(); ++n) {
      const auto found = row_of_assignment.find(order->integer(n));
      if (found == row_of_assignment.end() || found->second < 0 || at(matched, found->second) >= 0) {
        fail(verdict_, kWhole,
             "has a dispatch.order that is not one of the kept assignments: row " + std::to_string(n) +
                 " holds " + std::to_string(order->integer(n)));
        return rows;
      }
      at(matched, found->second) = n;
    }
    return matched;
  }

  void summarize() {
    if (verdict_.status == Status::Fail) return;
    Index others = 0, certain = 0;
    for (const TokenRouting& token : verdict_.tokens) {
      others += token.agrees ? 0 : 1;
      certain += !token.agrees && token.certainty == Certainty::Certain ? 1 : 0;
    }
    if (others == 0) return;
    verdict_.reason = std::to_string(others) + " of " + std::to_string(T_) + " tokens choose other experts, ";
    verdict_.reason +=
        certain == 0
            ? "all of them where rounding may decide"
            : "as the logits or scores that were returned say, or rounded scores may; the logits of the "
              "case leave no doubt for " +
                  std::to_string(certain) + " of them";
  }

  const Config& config_;
  const Inputs& inputs_;
  const Decisions& expected_;
  const Answer& answer_;
  Index T_, K_;
  const Profile& profile_;
  Rankings of_inputs_,
      all_;  // from the case's inputs; from the logits that were returned, if they are to be believed
  RoutingVerdict verdict_;
  std::vector<Index> slot_;
};

}  // namespace

CandidateRouting judge_routing(const Config& config, const Inputs& inputs, const Decisions& expected,
                               const Answer& answer, const Profile& profile, const OwnRanks& own) {
  return RoutingJudge(config, inputs, expected, answer, profile, own).run();
}

}  // namespace moe
