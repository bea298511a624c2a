#include <set>

#include "admissible.h"
#include "judging.h"
#include "moe/validate.h"

// What a candidate may have decided of which no tensor tells that it returned: experts and places. The nearest of all such
// decisions is looked for.
namespace moe {
namespace {

constexpr std::size_t kMostOfAToken = 16;
constexpr Index kMostDecisions = 512;
constexpr double kMostWork = 0x1p29;  // multiply-adds

void take(const std::vector<Index>& choice, Index t, IdMatrix& ids) {
  for (Index k = 0; k < ids.cols(); ++k) ids(t, k) = static_cast<std::int32_t>(at(choice, k));
}

/// Takes one step after the other that leads nearer to what was returned.
class DecisionSearch {
 public:
  DecisionSearch(const Judging& j, const Aligned& a)
      : j_(j),
        a_(a),
        best_(a.decisions),
        least_(distance(best_)),
        left_(evaluations_allowed(j.c.config, kMostDecisions)) {
    if (has_router(j.c.config)) all_ = rankings(j.c.config, j.c.golden.inputs, j.profile);
  }

  std::optional<Decisions> nearest() {
    const double least = least_;
    const std::vector<Choice> all = has("router.topk_ids") ? std::vector<Choice>() : choices();
    for (const Choice& one : all) try_choice(one.experts, one.token);
    if (!has("dispatch.kept")) try_places();
    thorough_ = true;
    while (left_ > 0 && leads_nearer(all)) {
    }
    return least_ < least ? std::optional(best_) : std::nullopt;
  }
  bool all_tried() const { return left_ >= 0; }

 private:
  struct Choice {
    Index token;
    std::vector<Index> experts;
  };
  bool has(const char* name) const { return tensor_of(a_.tensors, name) != nullptr; }

  /// One more round over tokens and places; and where that leads no further, over two tokens at once, since a loss may tell
  /// only of both: none of these beyond the evaluations that are allowed.
  bool leads_nearer(const std::vector<Choice>& all) {
    const double before = least_;
    for (std::size_t i = 0; i < all.size() && left_ > 0; ++i) try_choice(all[i].experts, all[i].token);
    if (!has("dispatch.kept") && left_ > 0) try_places();
    for (std::size_t i = 0; least_ == before && i < all.size(); ++i)
      for (std::size_t k = i + 1; k < all.size() && left_ > 0; ++k)
        if (all[i].token != all[k].token) try_both(all[i], all[k]);
    return least_ < before;
  }
  /// What each token may have chosen, in each order that makes a difference.
  std::vector<Choice> choices() const {
    std::vector<Choice> all;
    for (Index t = 0; t < static_cast<Index>(all_.of_token.size()); ++t)
      for (const std::vector<Index>& choice : admissible_choices(j_.c.config, all_, t, kMostOfAToken)) {
        all.push_back({t, choice});
        for (std::size_t k = 0; order_matters(j_.c.config) && k + 1 < choice.size(); ++k) {
          std::vector<Index> other = choice;
          std::swap(other[k], other[k + 1]);
          const std::vector<Bound>& of = at(all_.of_token, t).expert;
          if (high(at(of, other[k])) >= low(at(of, other[k + 1]))) all.push_back({t, std::move(other)});
        }
      }
    return all;
  }
  void try_both(const Choice& a, const Choice& b) {
    IdMatrix ids = best_.expert;
    take(a.experts, a.token, ids), take(b.experts, b.token, ids);
    try_ids(ids);
  }
  void try_choice(const std::vector<Index>& choice, Index t) {
    IdMatrix ids = best_.expert;
    take(choice, t, ids);
    try_ids(ids);
  }
  /// These experts, with the places that they lead to, and with those that rounding may give instead, as far as they change.
  void try_ids(const IdMatrix& ids) {
    if (ids == best_.expert) return;
    const Index K = ids.cols();
    // Experts of tokens that choose otherwise, whose other choices may rank otherwise, too.
    std::set<std::int32_t> moved;
    for (Index i = 0; i < ids.size(); ++i)
      if (ids.row(i / K) != best_.expert.row(i / K)) moved.insert({ids.data()[i], best_.expert.data()[i]});
    const Decisions made = decisions_for(j_.c.config, j_.c.golden.inputs, ids, {});
    Matrix<std::uint8_t> kept = made.plan.kept;
    for (Index i = 0; i < kept.size(); ++i)
      if (moved.count(ids.data()[i]) == 0) kept.data()[i] = best_.plan.kept.data()[i];
    const Decisions as_found =
        kept == made.plan.kept ? made : decisions_for(j_.c.config, j_.c.golden.inputs, ids, kept);
    consider(made);
    if (!thorough_ || has("dispatch.kept")) return;
    if (kept != made.plan.kept && left_ > 0) consider(as_found);
    if (left_ > 0) try_places(as_found, moved);
  }

  /// Assignments that were dropped in the place of some that were kept, where rounding may rank them so: one after the other, each
  /// from what led nearest so far, of these experts.
  void try_places(Decisions now, const std::set<std::int32_t>& of) {
    const Config& config = j_.c.config;
    if (!has_capacity(config) || !ranks_by_numbers(config.capacity)) return;
    const ProfileScope scope(j_.profile);
    const std::vector<Key<Bound>> keys =
        priority_keys(config, all_.z, now.expert, lots_of(params_of<Bound>(config, j_.c.golden.inputs)));
    for (Index i = 0; i < now.expert.size(); ++i)
      for (Index k = 0; k < now.expert.size() && (!thorough_ || left_ > 0); ++k) {
        if (of.count(now.expert.data()[i]) == 0 || !may_exchange(keys, now, i, k)) continue;
        Matrix<std::uint8_t> other = now.plan.kept;
        std::swap(other.data()[i], other.data()[k]);
        if (consider(decisions_for(config, j_.c.golden.inputs, now.expert, other))) now = best_;
      }
  }
  void try_places() { try_places(best_, {best_.expert.data(), best_.expert.data() + best_.expert.size()}); }
  /// May i, which was kept, be dropped for k? Neither i nor any other that is dropped may then surely have asked before one that
  /// is kept.
  bool may_exchange(const std::vector<Key<Bound>>& keys, const Decisions& d, Index i, Index k) const {
    const Config& config = j_.c.config;
    const auto kept = [&](Index l) { return d.plan.kept.data()[l] != 0; };
    const auto taken_up = [&](Index l) { return d.taken_up.size() == 0 || d.taken_up.data()[l] != 0; };
    const auto before = [&](Index a, Index b) {
      return surely_asks_before(config.capacity, keys, config.shape.top_k, a, b);
    };
    if (!kept(i) || kept(k) || !taken_up(k) || !ask_the_same(config, d.expert, i, k) || before(i, k))
      return false;
    for (Index l = 0; l < d.expert.size(); ++l) {
      if (l == i || l == k || !ask_the_same(config, d.expert, k, l)) continue;
      if (kept(l) ? before(i, l) : taken_up(l) && before(l, k)) return false;
    }
    return true;
  }

  /// Takes these decisions if they lead nearer; says whether they do.
  bool consider(Decisions made) {
    if (left_-- <= 0) return false;
    const double d = distance(made);
    if (!(d < least_)) return false;
    best_ = std::move(made), least_ = d;
    return true;
  }
  /// How far what was returned is from what these decisions give: of each tensor all differences over all numbers of both, so
  /// that what is mended of one token shows beside what is wrong of another, and no tensor alone decides.
  double distance(const Decisions& made) const {
    const Arrays right = evaluate<double>(j_.c.config, j_.c.golden.inputs, &made, a_.backward);
    double all = 0;
    for (const auto& [name, got] : a_.tensors) {
      const Array* a = tensor_of(right, name);
      if (a == nullptr || !is_real(got.format) || a->dims != got.dims) continue;
      double off = 0, size = 0;
      for (Index i = 0; i < a->size(); ++i) {
        if (!std::isfinite(got.real(i))) continue;
        off += std::abs(got.real(i) - a->real(i)), size += std::abs(got.real(i)) + std::abs(a->real(i));
      }
      if (size > 0) all += off / size;
    }
    return all;
  }

  const Judging& j_;
  const Aligned& a_;
  Decisions best_;
  double least_;
  Index left_;             // evaluations
  bool thorough_ = false;  // are places tried beside experts?
  Rankings all_;
};

/// Is there anything that could have been decided otherwise without a tensor that tells?
bool may_differ(const Judging& j, const Aligned& a) {
  const auto has = [&](const char* name) { return tensor_of(a.tensors, name) != nullptr; };
  const Capacity& capacity = j.c.config.capacity;
  const bool ranked = has_capacity(capacity) && ranks_by_numbers(capacity);
  return has_router(j.c.config) && j.mode != Mode::Pinned &&
         (!has("router.topk_ids") || (ranked && !has("dispatch.kept")));
}

}  // namespace

Index evaluations_allowed(const Config& config, Index most) {
  const auto [T, D, F, E, K] = Letters(config);
  const Index shared = has_shared(config) ? config.shared.ffn_size : 0;
  const double work =
      static_cast<double>(T) * static_cast<double>(D) * static_cast<double>(3 * (K * F + shared) + E);
  return static_cast<Index>(std::min(kMostWork / std::max(work, 1.0), static_cast<double>(most)));
}

OtherChoices other_decisions(const Judging& j, const Aligned& a) {
  OtherChoices others;
  if (!may_differ(j, a)) return others;
  const auto decided = [&](const IdMatrix& ids, const Matrix<std::uint8_t>& kept) {
    return decisions_for(j.c.config, j.c.golden.inputs, ids, kept);
  };
  const bool says_whom = tensor_of(a.tensors, "router.topk_ids") != nullptr;
  const bool limited = has_capacity(j.c.config);
  if (!says_whom)
    for (const StatedDecisions& other : j.c.alternatives)
      others.list.push_back(decided(other.expert, other.kept));
  Aligned from = a;
  if (!says_whom && !limited) {
    const NearestChoices nearest = nearest_choices(j, a);
    others.all_tried = nearest.all_tried;
    if (nearest.expert != a.decisions.expert)
      from.decisions = decided(nearest.expert, {}), others.list.push_back(from.decisions);
  }
  if (evaluations_allowed(j.c.config, 1) == 0) {
    others.all_tried = others.all_tried && !limited;
    return others;
  }
  DecisionSearch search(j, from);
  if (std::optional<Decisions> nearest = search.nearest()) others.list.push_back(std::move(*nearest));
  others.all_tried = others.all_tried && search.all_tried();
  return others;
}

}  // namespace moe
