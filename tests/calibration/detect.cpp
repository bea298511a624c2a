// detect    which named mistakes are seen, in bf16 and fp32, at shapes in use; and what public tolerances let through
//
// The table that it prints stands in docs/CALIBRATION.md; the exit code is 1 where fewer than 28 of the mistakes below are
// seen in bf16 at some shape.
#include <cstdio>

#include "data.h"
#include "moe/audit.h"

using namespace moe;
using namespace moe::calibration;

namespace {

struct ShapeInUse {
  const char* name;
  Index T, D, F, E, K;
  double x, weights;  // what seeded values, of standard deviation about 1, are multiplied by
};
/// A unit scale, the generator of vLLM's test_fused_moe (normal / 10) at two of its shapes, and two that are tiny.
constexpr std::array kShapes{ShapeInUse{"unit scale", 32, 128, 256, 8, 2, 1, 1},
                             ShapeInUse{"vLLM 33,2048,128", 33, 128, 2048, 8, 2, 0.125, 0.125},
                             ShapeInUse{"vLLM 1,128,128", 1, 128, 128, 8, 2, 0.125, 0.125},
                             ShapeInUse{"tiny", 4, 4, 4, 4, 2, 1, 1},
                             ShapeInUse{"tiniest", 2, 3, 2, 4, 2, 1, 1}};

CheckCase case_of(const ShapeInUse& s) {
  const auto set = [](const char* field, Index value) {
    return std::string(field) + '=' + std::to_string(value);
  };
  CheckCase c;
  c.config = load_config("mixtral",
                         {set("shape.hidden_size", s.D), set("shape.ffn_size", s.F),
                          set("shape.num_experts", s.E), set("shape.top_k", s.K)},
                         s.T)
                 .config;
  c.golden.id = s.name;
  c.golden.inputs = seeded_inputs(c.config);
  for (auto& [id, a] : c.golden.inputs) a = materialized(std::move(a));
  const auto scaled = [&](Tensor id, double to) {
    double squares = 0;
    change(c.golden.inputs, id, [&](double v) { return squares += v * v, v; });
    const double n = static_cast<double>(c.golden.inputs.at(id).size());
    const double factor = std::exp2(std::round(std::log2(to / std::sqrt(squares / n))));
    change(c.golden.inputs, id, [&](double v) { return factor * v; });
  };
  scaled(Tensor::x, s.x);
  for (const Tensor id : {Tensor::experts_gate, Tensor::experts_up, Tensor::experts_down})
    scaled(id, s.weights * (s.weights == 1 ? 1 / std::sqrt(static_cast<double>(s.D)) : 1));
  return c;
}

}  // namespace

int main() {
  std::map<std::string, std::vector<const AuditedBug*>> rows;
  std::vector<Audit> audits;
  audits.reserve(kShapes.size());
  for (const ShapeInUse& shape : kShapes) audits.push_back(audit(case_of(shape), public_tolerances(), {"y"}));
  for (std::size_t i = 0; i < audits.size(); ++i)
    for (const AuditedBug& bug : audits[i].bugs) {
      auto& row = rows[bug.name];
      row.resize(kShapes.size());
      row[i] = &bug;
    }
  std::printf("%-70s", "seen in bf16 / fp32 at");
  for (const ShapeInUse& shape : kShapes) std::printf(" %16s", shape.name);
  std::printf("\n");
  for (const auto& [name, row] : rows) {
    std::printf("%-70s", name.substr(0, 69).c_str());
    for (const AuditedBug* bug : row)
      std::printf(" %16s", bug == nullptr
                               ? "changes nothing"
                               : (std::string(name_of(bug->bf16)) + '/' + name_of(bug->f32)).c_str());
    std::printf("\n");
  }
  bool enough = true;
  std::printf("\n%-40s", "of the mistakes that change something");
  for (const ShapeInUse& shape : kShapes) std::printf(" %16s", shape.name);
  const auto line = [&](const std::string& name, const std::function<bool(const AuditedBug&)>& seen) {
    std::printf("\n%-40s", name.c_str());
    for (const Audit& a : audits) {
      const auto n = std::count_if(a.bugs.begin(), a.bugs.end(), seen);
      std::printf(" %16s", (std::to_string(n) + " of " + std::to_string(a.bugs.size())).c_str());
    }
  };
  line("check, bf16", [](const AuditedBug& b) { return b.bf16 >= Status::Flag; });
  line("check, fp32", [](const AuditedBug& b) { return b.f32 >= Status::Flag; });
  for (std::size_t i = 0; i < public_tolerances().size(); ++i)
    line(public_tolerances()[i].name, [&](const AuditedBug& b) { return b.compared && !b.accepted[i]; });
  std::printf("\n");
  for (const Audit& a : audits) {
    const auto missed = std::count_if(a.bugs.begin(), a.bugs.end(),
                                      [](const AuditedBug& b) { return b.bf16 < Status::Flag; });
    enough = enough && a.bugs.size() >= 30 && missed * 15 <= static_cast<std::ptrdiff_t>(a.bugs.size());
  }
  return enough ? 0 : 1;
}
