#include <limits>

#include "list.h"

// Mistakes in choosing experts: ties, narrow formats, limits of ids.
namespace moe {
namespace {

/// Is expert a to be preferred to expert b by token t? Ties must not be resolved here.
using Better = std::function<bool(const double* z, Index t, Index a, Index b)>;

/// The K best experts of each token in the order that `better` gives, among those that `seen` lets through.
IdMatrix choose_by(const Matrix<double>& z, Index K, const Better& better,
                   const std::function<bool(Index e)>& seen = {}) {
  IdMatrix expert(z.rows(), K);
  for (Index t = 0; t < z.rows(); ++t) {
    std::vector<Index> all;
    for (Index e = 0; e < z.cols(); ++e)
      if (!seen || seen(e)) all.push_back(e);
    std::stable_sort(all.begin(), all.end(), [&](Index a, Index b) { return better(row(z, t), t, a, b); });
    for (Index k = 0; k < K; ++k)
      expert(t, k) = static_cast<std::int32_t>(at(all, std::min(k, static_cast<Index>(all.size()) - 1)));
  }
  return expert;
}

Bug chooses(std::string name,
            std::function<IdMatrix(const Config&, const Inputs&, const Matrix<double>&)> choose) {
  Bug bug{std::move(name)};
  bug.decisions = [choose = std::move(choose)](const Config& config, const Inputs& inputs,
                                               Decisions& decisions) {
    if (!has_router(config)) return;
    const Matrix<double> z = logits_of(config, inputs);
    choose_instead(config, inputs, z, choose(config, inputs, z), decisions);
  };
  return bug;
}
Bug prefers(std::string name, Better better) {
  return chooses(std::move(name),
                 [better = std::move(better)](const Config& config, const Inputs&, const Matrix<double>& z) {
                   return choose_by(z, config.shape.top_k, better);
                 });
}
/// Ranks by what becomes of the logits in a narrow format; what is equal there goes to the lower id.
Bug ranks_by(std::string name,
             std::function<std::vector<double>(const Config&, const double* z, Index E)> keys) {
  return chooses(std::move(name),
                 [keys = std::move(keys)](const Config& config, const Inputs&, const Matrix<double>& z) {
                   Matrix<double> key = z;
                   for (Index t = 0; t < z.rows(); ++t) {
                     const std::vector<double> values = keys(config, row(z, t), z.cols());
                     std::copy(values.begin(), values.end(), row(key, t));
                   }
                   return choose_by(key, config.shape.top_k,
                                    [](const double* k, Index, Index a, Index b) { return k[a] > k[b]; });
                 });
}
/// Experts from `limit(E)` on are never seen.
Bug sees_fewer(std::string name, std::function<Index(Index E)> limit) {
  return chooses(std::move(name), [limit = std::move(limit)](const Config& config, const Inputs&,
                                                             const Matrix<double>& z) {
    return choose_by(
        z, config.shape.top_k, [](const double* k, Index, Index a, Index b) { return k[a] > k[b]; },
        [seen = limit(z.cols())](Index e) { return e < seen; });
  });
}

std::vector<double> narrow_scores(const Config& config, const double* z, Index E, int digits, int low) {
  std::vector<float> logits(z, z + E), scores = logits;
  score_forward(config.router.score_function, logits.data(), E, scores.data());
  std::vector<double> keys;
  keys.reserve(scores.size());
  for (const float s : scores) keys.push_back(rounded(static_cast<double>(s), digits, low));
  return keys;
}

/// Equal logits chosen from both ends of their ids: first, last, second, ...
IdMatrix first_and_last(const Config& config, const Inputs&, const Matrix<double>& z) {
  IdMatrix expert = choose_experts(z, config.shape.top_k);
  for (Index t = 0; t < z.rows(); ++t)
    for (Index k = 0; k < expert.cols();) {
      std::vector<std::int32_t> equal;
      for (Index e = 0; e < z.cols(); ++e)
        if (z(t, e) == z(t, expert(t, k))) equal.push_back(static_cast<std::int32_t>(e));
      Index low = 0, high = static_cast<Index>(equal.size()) - 1;
      for (bool first = true; k < expert.cols() && low <= high; first = !first, ++k)
        expert(t, k) = first ? at(equal, low++) : at(equal, high--);
    }
  return expert;
}

}  // namespace

std::vector<Bug> choice_bugs() {
  const auto zero_first = [](const Config& config, const Inputs& inputs, const Matrix<double>& z) {
    Matrix<double> sign = z;  // -1 where the first product is a negative zero
    const auto params = params_of<double>(config, inputs);
    const Matrix<double> x = all_rows(params.x), w = all_rows(params.router);
    for (Index t = 0; t < z.rows(); ++t)
      for (Index e = 0; e < z.cols(); ++e)
        sign(t, e) = z(t, e) == 0 && std::signbit(x(t, 0) * w(e, 0)) ? -0x1p-1000 : z(t, e);
    return choose_by(sign, config.shape.top_k,
                     [](const double* k, Index, Index a, Index b) { return k[a] > k[b]; });
  };
  const auto from_zero = [](const Config& config, const Inputs&, const Matrix<double>& z) {
    IdMatrix expert = choose_experts(z, config.shape.top_k);
    for (Index i = 0; i < expert.size(); ++i)
      if (z(i / expert.cols(), expert.data()[i]) < 0) expert.data()[i] = 0;
    return expert;
  };
  const auto by_id = [](const Config& config, const Inputs&, const Matrix<double>& z) {
    IdMatrix expert = choose_experts(z, config.shape.top_k);
    if (config.shape.top_k == config.shape.num_experts)
      for (Index t = 0; t < expert.rows(); ++t) std::sort(row(expert, t), row(expert, t) + expert.cols());
    return expert;
  };
  const auto in_a_byte = [](const Config& config, const Inputs&, const Matrix<double>& z) {
    IdMatrix expert = choose_experts(z, config.shape.top_k);
    for (Index i = 0; i < expert.size(); ++i) expert.data()[i] &= 255;
    return expert;
  };
  const auto four_a_block = [](const Config& config, const Inputs&, const Matrix<double>& z) {
    Matrix<double> left = z;  // of each block of 32, only the four best stay
    for (Index t = 0; t < z.rows(); ++t)
      for (Index block = 0; block + 32 <= z.cols(); block += 32)
        for (Index e = block; e < block + 32; ++e)
          if (std::count_if(row(z, t) + block, row(z, t) + block + 32,
                            [&](double other) { return other > z(t, e); }) >= 4)
            left(t, e) = -std::numeric_limits<double>::infinity();
    return choose_experts(left, config.shape.top_k);
  };
  return {
      prefers("choose: ties go to the higher id",
              [](const double* z, Index, Index a, Index b) { return z[a] != z[b] ? z[a] > z[b] : a > b; }),
      chooses("choose: equal logits take their slots from the higher id down",
              [](const Config& config, const Inputs&, const Matrix<double>& z) {
                IdMatrix expert = choose_experts(z, config.shape.top_k);
                for (Index t = 0; t < z.rows(); ++t)
                  std::sort(row(expert, t), row(expert, t) + expert.cols(),
                            [&](Index a, Index b) { return z(t, a) != z(t, b) ? z(t, a) > z(t, b) : a > b; });
                return expert;
              }),
      chooses("choose: a running maximum that starts at 0", from_zero),
      chooses("choose: a tie of many resolved as first and last", first_and_last),
      prefers("choose: ties by the low byte of the id",
              [](const double* z, Index, Index a, Index b) {
                return z[a] != z[b] ? z[a] > z[b] : (a & 255) < (b & 255);
              }),
      prefers("choose: the rule for ties holds for the first token only",
              [](const double* z, Index t, Index a, Index b) {
                return z[a] != z[b] ? z[a] > z[b] : t == 0 ? a < b : a > b;
              }),
      chooses("choose: -0 ordered below +0", zero_first),
      ranks_by("choose: by scores in bf16",
               [](const Config& c, const double* z, Index E) { return narrow_scores(c, z, E, 8, -126); }),
      ranks_by("choose: by logits in bf16",
               [](const Config&, const double* z, Index E) {
                 std::vector<double> keys;
                 for (Index e = 0; e < E; ++e) keys.push_back(rounded(z[e], 8, -126));
                 return keys;
               }),
      ranks_by("choose: logits within 1e-6 taken for equal",
               [](const Config&, const double* z, Index E) {
                 std::vector<double> keys;
                 for (Index e = 0; e < E; ++e) keys.push_back(std::floor(z[e] * 1e6 + 0.5));
                 return keys;
               }),
      ranks_by("choose: by softmax scores in fp32",
               [](const Config& c, const double* z, Index E) {
                 return couples_experts(c.router.score_function) ? narrow_scores(c, z, E, 24, -126)
                                                                 : std::vector<double>(z, z + E);
               }),
      ranks_by("choose: by sigmoid scores in fp32",
               [](const Config& c, const double* z, Index E) {
                 return opposites_cancel(c.router.score_function) ? narrow_scores(c, z, E, 24, -126)
                                                                  : std::vector<double>(z, z + E);
               }),
      chooses("choose: experts in the order of their ids when all are chosen", by_id),
      sees_fewer("choose: experts beyond the last whole warp of 32 are not seen",
                 [](Index E) { return E > 32 ? E / 32 * 32 : E; }),
      sees_fewer("choose: experts beyond the last whole tile of 128 are not seen",
                 [](Index E) { return E > 128 ? E / 128 * 128 : E; }),
      chooses("choose: expert ids in a byte", in_a_byte),
      chooses("choose: a block of 32 experts contributes at most four", four_a_block),
  };
}

}  // namespace moe
