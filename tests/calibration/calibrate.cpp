// calibrate [--sets N]    how often a correct implementation is called wrong, and how tight the budgets are
//
// Candidates are correct by construction: the layer itself in the arithmetic of a profile (Narrow), in four orders of
// summation, by its own formulas and, where another is in use, by that. Every one must pass `check`, end to end and stage by stage. The table that it prints stands in
// docs/CALIBRATION.md; the exit code is 1 if a candidate is flagged or fails.
#include <cstdio>

#include "data.h"
#include "moe/scalar/narrow.h"

using namespace moe;
using namespace moe::calibration;

namespace {

/// What was seen of one tensor over all candidates.
struct Row {
  double hard = 0, squares = 0, top = 0, bits = 0;
  Index numbers = 0, tensors = 0;
};
using Table = std::map<std::string, Row>;

struct Way {
  Order order;
  Formula formula;
};
constexpr std::array kWays{Way{Order::Sequential, Formula::Own},   Way{Order::Pairwise, Formula::Own},
                           Way{Order::Lanes32, Formula::Own},      Way{Order::Reversed, Formula::Own},
                           Way{Order::Sequential, Formula::Other}, Way{Order::Lanes32, Formula::Other}};

void note(const TensorVerdict& v, Row& row) {
  row.hard = std::max(row.hard, v.hard_ratio);
  row.squares += v.z_rms * v.z_rms * static_cast<double>(v.tested);
  row.numbers += v.tested;
  row.top = std::max(row.top, v.z_max);
  row.bits += v.validated_bits, row.tensors += 1;
}

void print(const std::string& profile, const char* mode, const Table& table) {
  std::printf("\n%s, %s\n%-30s %10s %8s %8s %8s %8s\n", profile.c_str(), mode, "tensor", "numbers", "HARD",
              "rms z", "max z", "bits");
  for (const auto& [name, row] : table) {
    if (row.numbers == 0) continue;
    std::printf("%-30s %10ld %8.4f %8.3f %8.2f %8.1f\n", name.c_str(), static_cast<long>(row.numbers),
                row.hard, std::sqrt(row.squares / static_cast<double>(row.numbers)), row.top,
                row.bits / static_cast<double>(row.tensors));
  }
}

/// What the layer at Narrow gives, in the formats that the profile keeps.
Answer answer_of(const DataSet& data, const Decisions& decisions, const Profile& profile, Way way) {
  const ProfileScope scope(profile);
  const OrderScope scoped(way.order, way.formula);
  Answer answer;
  for (auto& [name, a] : evaluate<Narrow>(data.config, data.inputs, &decisions, true))
    answer.tensors.emplace_back(name, is_real(a.format) ? returned(name, a, profile) : a);
  return answer;
}

}  // namespace

int main(int argc, char** argv) {
  const int sets = argc == 3 && std::string(argv[1]) == "--sets" ? std::stoi(argv[2]) : 48;
  Index wrong = 0, candidates = 0;
  for (const char* name : {"fp32_any_order", "tf32_gemm", "bf16_store_fp32_acc", "bf16_store_router",
                           "bf16_round_elementwise", "bf16_every_op", "fp16_store_fp32_acc",
                           "fp16_store_router", "fp16_round_elementwise", "fp16_every_op"}) {
    const Profile& profile = profile_called(name);
    for (const Mode mode : {Mode::EndToEnd, Mode::Automatic}) {
      Table table;
      for (int i = 0; i < sets; ++i) {
        const DataSet data = data_set(i);
        CheckCase c;
        c.golden = data.golden(), c.config = data.config;
        const Decisions decisions = decide(data.config, params_of<double>(data.config, data.inputs));
        for (const Way way : kWays) {
          const CaseVerdict verdict = check(c, answer_of(data, decisions, profile, way), {profile, mode});
          candidates += 1;
          for (const TensorVerdict& v : verdict.tensors) note(v, table[v.name]);
          if (verdict.status < Status::Flag) continue;
          wrong += 1;
          std::printf("%s, %s: %s%s is called %s: %s\n", name,
                      mode == Mode::EndToEnd ? "end to end" : "stage by stage", data.name.c_str(),
                      way.formula == Formula::Other ? ", by the other formulas," : "",
                      name_of(verdict.status), verdict.reason.c_str());
        }
      }
      print(name, mode == Mode::EndToEnd ? "end to end" : "stage by stage", table);
    }
  }
  std::printf("\n%ld candidates, all of them correct: %ld called wrong\n", static_cast<long>(candidates),
              static_cast<long>(wrong));
  return wrong == 0 ? 0 : 1;
}
