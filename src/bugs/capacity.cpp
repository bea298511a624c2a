#include "list.h"

// Mistakes in how many assignments an expert takes, whose, and what becomes of the rest: mostly other conventions.
namespace moe {
namespace {

/// Another convention for a capacity that is a formula.
Bug formula(std::string name, std::function<void(Capacity&)> change) {
  return confuses(std::move(name), [change = std::move(change)](Config& c) {
    if (has_factor(c.capacity)) change(c.capacity);
  });
}
/// A formula of its own: the capacity from factor base / E as it is before the outer rounding.
Bug rounds(std::string name, std::function<bool(const Capacity&)> when,
           std::function<double(const Config&, double exact)> round) {
  return confuses(std::move(name), [when = std::move(when), round = std::move(round)](Config& c) {
    if (!has_factor(c.capacity) || !when(c.capacity)) return;
    const double base =
        static_cast<double>(c.shape.num_tokens * (counts_choices(c.capacity) ? c.shape.top_k : 1));
    c.capacity.fixed =
        static_cast<Index>(round(c, c.capacity.factor * base / static_cast<double>(c.shape.num_experts)));
    c.capacity.mode = CapacityMode::Fixed;
  });
}
bool half_even(const Capacity& c) { return rounds_to_nearest(c) && is_exact(c); }

Bug ranks(std::string name, Priority priority, const std::function<void(Config&)>& change) {
  return confuses(std::move(name), [=](Config& c) {
    if (has_capacity(c) && c.capacity.priority == priority) change(c);
  });
}
/// The decisions of another config on the same logits.
Bug decides_like(std::string name, std::function<void(Config&)> change) {
  Bug bug{std::move(name)};
  bug.decisions = [change = std::move(change)](const Config& config, const Inputs& inputs, Decisions& d) {
    if (!has_capacity(config)) return;
    Config other = config;
    change(other);
    d = decide(other, params_of<double>(other, inputs));
  };
  return bug;
}

/// C + more.
Bug takes_more(std::string name, Index more) {
  return confuses(std::move(name), [=](Config& c) {
    if (!has_capacity(c)) return;
    c.capacity.fixed = std::max<Index>(0, capacity_of(c) + more);
    c.capacity.mode = CapacityMode::Fixed;
  });
}

std::vector<Bug> formulas() {
  return {
      formula("capacity: rounded up where it is to be rounded down",
              [](Capacity& c) { mistake(c.outer_round, Rounding::Floor, Rounding::Ceil); }),
      formula("capacity: rounded to nearest where it is to be rounded up",
              [](Capacity& c) { mistake(c.outer_round, Rounding::Ceil, Rounding::HalfEven); }),
      formula("capacity: rounded down where it is to be rounded to nearest",
              [](Capacity& c) { mistake(c.outer_round, Rounding::HalfEven, Rounding::Floor); }),
      rounds("capacity: halves rounded up", half_even,
             [](const Config&, double exact) { return std::floor(exact + 0.5); }),
      rounds("capacity: halves rounded down", half_even,
             [](const Config&, double exact) { return std::ceil(exact - 0.5); }),
      rounds(
          "capacity: halves in floating point rounded away from zero",
          [](const Capacity& c) { return rounds_to_nearest(c) && !is_exact(c); },
          [](const Config&, double exact) { return std::round(exact); }),
      formula("capacity: computed in fp32 where it is a decimal",
              [](Capacity& c) {
                if (is_exact(c)) c.arithmetic = Arithmetic::F32;
              }),
      formula("capacity: computed in fp64 where it is a decimal",
              [](Capacity& c) {
                if (is_exact(c)) c.arithmetic = Arithmetic::F64;
              }),
      formula("capacity: exact where the system computes in fp32",
              [](Capacity& c) {
                if (divides_first(c)) mistake(c.arithmetic, Arithmetic::F32, Arithmetic::Exact);
              }),
      formula("capacity: exact where the system computes in fp64",
              [](Capacity& c) { mistake(c.arithmetic, Arithmetic::F64, Arithmetic::Exact); }),
      formula("capacity: divided before the product",
              [](Capacity& c) { c.eval_order = EvalOrder::PerExpertFirst; }),
      rounds(
          "capacity: a factor taken for the nearest simple fraction",
          [](const Capacity& c) { return c.factor < 0.5 && std::abs(3 * c.factor - 1) < 1e-6; },
          [](const Config& c, double exact) {
            return std::max(std::floor(exact + 1e-6), static_cast<double>(c.capacity.min_capacity));
          }),
      formula("capacity: no minimum", [](Capacity& c) { c.min_capacity = 0; }),
      formula("capacity: no multiple", [](Capacity& c) { c.multiple_of = 1; }),
      formula("capacity: no inner rounding", [](Capacity& c) { c.inner_round = Rounding::None; }),
      formula("capacity: inner rounding up where it is down",
              [](Capacity& c) { mistake(c.inner_round, Rounding::Floor, Rounding::Ceil); }),
      formula("capacity: tokens counted where choices are meant",
              [](Capacity& c) { c.base = CapacityBase::Tokens; }),
      confuses("capacity: K multiplied before the rounding",
               [](Config& c) {
                 if (!has_factor(c.capacity) || !c.capacity.k_outside) return;
                 c.capacity.k_outside = false;
                 c.capacity.factor *= static_cast<double>(c.shape.top_k);
               }),
  };
}

std::vector<Bug> orders() {
  return {
      confuses("capacity: 0 taken for none",
               [](Config& c) {
                 if (has_fixed(c.capacity) && c.capacity.fixed == 0) c.capacity.mode = CapacityMode::None;
               }),
      ranks("capacity: choices ranked by token", Priority::Fcfs,
            [](Config& c) { c.capacity.order = DropOrder::TokenMajor; }),
      ranks("capacity: tokens ranked by choice", Priority::Fcfs,
            [](Config& c) { c.capacity.order = DropOrder::ChoiceMajor; }),
      ranks("capacity: first come, first served, where scores rank", Priority::BprTop1,
            [](Config& c) { c.capacity.priority = Priority::Fcfs; }),
      ranks("capacity: choices before tokens, where scores rank tokens", Priority::BprTop1,
            [](Config& c) { c.capacity.order = DropOrder::ChoiceMajor; }),
      ranks("capacity: tokens ranked by first score where weights rank", Priority::Weight,
            [](Config& c) { c.capacity.priority = Priority::BprTop1; }),
      decides_like("capacity: tokens ranked by their share among the chosen",
                   [](Config& c) {
                     if (!ranks_tokens(c.capacity)) return;
                     c.capacity.priority = Priority::Weight, c.router.renorm = Renorm::Sum,
                     c.router.renorm_stage = RenormStage::BeforeDrop;
                   }),
      decides_like("capacity: shares ranked where raw weights are meant",
                   [](Config& c) { c.router.renorm_stage = RenormStage::BeforeDrop; }),
      decides_like("capacity: sigmoid weights ranked as a softmax",
                   [](Config& c) { c.router.score_function = ScoreFunction::Softmax; }),
      takes_more("capacity: one place more than there is", 1),
      takes_more("capacity: one place less than there is", -1),
      confuses("capacity: renormalised after the drop where it is before",
               [](Config& c) {
                 if (has_capacity(c)) c.router.renorm_stage = RenormStage::AfterDrop;
               }),
      confuses("capacity: renormalised before the drop where it is after",
               [](Config& c) {
                 if (has_capacity(c)) c.router.renorm_stage = RenormStage::BeforeDrop;
               }),
      confuses("capacity: 0 where a dropped token should pass",
               [](Config& c) { c.capacity.dropped_output = DroppedOutput::Zero; }),
      confuses("capacity: a dropped token passed without its weight",
               [](Config& c) {
                 if (scales_x(c.capacity.dropped_output)) c.capacity.dropped_output = DroppedOutput::Identity;
               }),
  };
}

}  // namespace

std::vector<Bug> capacity_bugs() {
  std::vector<Bug> all = formulas();
  for (Bug& bug : orders()) all.push_back(std::move(bug));

  Bug last_comer{"capacity: the last to ask keeps the only place"};
  last_comer.decisions = [](const Config& config, const Inputs&, Decisions& d) {
    if (!has_capacity(config) || capacity_of(config) != 1) return;
    Matrix<Index> rank(d.expert.rows(), d.expert.cols());
    for (Index i = 0; i < rank.size(); ++i) rank.data()[i] = rank.size() - 1 - i;
    d.plan = make_plan(d.expert, rank, config.shape.num_experts, 1, 1, d.taken_up);
  };
  Bug all_overflow{"capacity: dropless as soon as every expert overflows"};
  all_overflow.config = [](Config&) {};
  all_overflow.decisions = [](const Config& config, const Inputs& inputs, Decisions& d) {
    const Index C = capacity_of(config);
    if (C == 0 || !std::all_of(d.plan.counts.begin(), d.plan.counts.end(), [&](Index n) { return n > C; }))
      return;
    Config dropless = config;
    dropless.capacity = {};
    d = decide(dropless, params_of<double>(dropless, inputs));
  };
  Bug of_nothing{"capacity: a share of nothing is 0 / 0"};
  of_nothing.tensors = [](const Config& config, const Inputs&, const Decisions& d, Arrays& answer) {
    if (!shares_what_is_kept(config.router)) return;
    Editable y(answer, "y");
    for (Index t = 0; t < config.shape.num_tokens; ++t)
      if (all_dropped(d.plan, t))
        std::fill_n(&y[t * config.shape.hidden_size], config.shape.hidden_size, std::nan(""));
  };
  Bug passes_each{"capacity: a token passed for every dropped choice"};
  passes_each.tensors = [](const Config& config, const Inputs& inputs, const Decisions& d, Arrays& answer) {
    if (!keeps_x(config.capacity.dropped_output)) return;
    const Index D = config.shape.hidden_size;
    Editable y(answer, "y");
    for (Index t = 0; t < config.shape.num_tokens; ++t)
      for (Index k = 0; k < config.shape.top_k; ++k)
        for (Index i = 0; i < D && d.plan.row(t, k) < 0 && !all_dropped(d.plan, t); ++i)
          y[t * D + i] += inputs.at(Tensor::x).real(t * D + i);
  };
  for (Bug* bug : {&last_comer, &all_overflow, &of_nothing, &passes_each}) all.push_back(std::move(*bug));
  return all;
}

}  // namespace moe
