#include "admissible.h"
#include "judging.h"
#include "moe/validate.h"

// Whom a candidate may have chosen that says only what came of it: token by token, by the rows of y and of grad.x.
namespace moe {
namespace {

constexpr Index kMostOfAToken = 2000;

/// Row t of an input that has a row, or a number, for each token.
Array row_alone(const Array& a, Index t) {
  Dims dims = a.dims;
  dims[0] = 1;
  std::vector<double> values = buffer<double>(product(dims));
  a.reals(t * static_cast<Index>(values.size()), values);
  return array_of(dims, values.data());
}

/// A layer of token t alone, without a limit that others could exhaust, and without losses that add up over tokens.
struct Alone {
  Config config;
  Inputs inputs;

  Alone(const CheckCase& c, Index t) : config(c.config) {
    config.shape.num_tokens = config.shape.num_groups = 1;
    config.capacity = {}, config.aux = {}, config.bias_update = {};
    for (const InputInfo& info : inputs_of(config)) {  // those of losses are of other tokens, or of all
      const Array& a = c.golden.inputs.at(info.id);
      inputs[info.id] = is_of_batch(info.id) ? row_alone(a, t) : a;
    }
  }
};

class Rows {
 public:
  Rows(const Judging& j, const Aligned& a) : j_(j), ids_(a.decisions.expert) {
    const Dims dims{j.c.config.shape.num_tokens, j.c.config.shape.hidden_size};
    for (const char* name : {"y", "grad.x"})
      if (const Array* got = tensor_of(a.tensors, name);
          got != nullptr && is_real(got->format) && got->dims == dims)
        got_.emplace_back(name, got);
    if (!got_.empty()) ranking_ = rankings(j.c.config, j.c.golden.inputs, j.profile);
  }

  /// The choice of each token whose rows lie nearest, as far as there are evaluations of a token left to find it.
  NearestChoices nearest() {
    const Index T = ranking_.z.rows();
    Config alone = j_.c.config;
    alone.shape.num_tokens = 1;
    Index left = evaluations_allowed(alone, T * (kMostOfAToken + 1));
    bool all_tried = true;
    for (Index t = 0; t < T; ++t) {
      auto choices = admissible_choices(j_.c.config, ranking_, t, kMostOfAToken);
      if (choices.size() < 2) continue;
      const Index most = std::max<Index>(left - 1, 0);  // beside that of what it is now
      if (static_cast<Index>(choices.size()) > most)
        all_tried = false, choices.resize(static_cast<std::size_t>(most));
      if (choices.empty()) continue;
      choose(t, choices);
      left -= static_cast<Index>(choices.size()) + 1;
    }
    return {ids_, all_tried};
  }

 private:
  void choose(Index t, const std::vector<std::vector<Index>>& choices) {
    const Alone layer(j_.c, t);
    const bool backward = got_.back().first == std::string("grad.x");
    const auto off = [&](const IdMatrix& ids) {
      const Decisions made = decisions_for(layer.config, layer.inputs, ids, {});
      return distance(evaluate<double>(layer.config, layer.inputs, &made, backward), t);
    };
    double least = off(ids_.row(t));
    for (const std::vector<Index>& choice : choices) {
      IdMatrix ids(1, ids_.cols());
      for (Index k = 0; k < ids.cols(); ++k) ids(0, k) = static_cast<std::int32_t>(at(choice, k));
      if (const double d = off(ids); d < least) ids_.row(t) = ids, least = d;
    }
  }
  double distance(const Arrays& right, Index t) const {
    double all = 0;
    for (const auto& [name, got] : got_) {
      const Array& row = *tensor_of(right, name);
      double off = 0, size = 0;
      for (Index d = 0; d < row.size(); ++d) {
        const double x = got->real(t * row.size() + d);
        off = std::max(off, std::abs(x - row.real(d))), size = std::max(size, std::abs(x));
      }
      if (size > 0) all += off / size;
    }
    return all;
  }

  const Judging& j_;
  IdMatrix ids_;
  std::vector<std::pair<std::string, const Array*>> got_;
  Rankings ranking_;
};

}  // namespace

NearestChoices nearest_choices(const Judging& j, const Aligned& a) { return Rows(j, a).nearest(); }

}  // namespace moe
