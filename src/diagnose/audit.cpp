#include "moe/audit.h"

#include "../check/routing.h"
#include "detector.h"
#include "moe/bugs.h"

namespace moe {
namespace {

/// A tensor as an implementation in `format` returns it: what is too large becomes infinite, and stays as visible as it is.
Array returned(const Array& a, Format format) {
  if (!is_real(a.format)) return a;
  const Precision p = precision_of(format);
  std::vector<double> values = buffer<double>(a.size());
  for (Index i = 0; i < a.size(); ++i) at(values, i) = p.round(a.real(i));
  Array wide = array_of(a.dims, values.data());
  for (const double v : values)
    if (!std::isfinite(v)) return wide;
  return converted(wide, format, "y");
}

bool equal(const Array& a, const Array& b) {
  if (a.dims != b.dims || a.format != b.format) return false;
  double largest = 0;
  for (Index i = 0; is_real(b.format) && i < b.size(); ++i) largest = std::max(largest, std::abs(b.real(i)));
  for (Index i = 0; i < b.size(); ++i) {
    const bool same = is_real(b.format) ? std::abs(a.real(i) - b.real(i)) <= 0x1p-40 * largest
                                        : a.integer(i) == b.integer(i);
    if (!same) return false;
  }
  return true;
}

class Auditor {
 public:
  Auditor(const CheckCase& c, const std::vector<Tolerance>& tolerances,
          const std::vector<std::string>& compared)
      : c_(c), tolerances_(tolerances), detector_(c.config, c.golden.inputs), right_(detector_.right()) {
    for (const std::string& name : compared) {
      bool known = name == "all";
      for (const auto& [tensor, a] : right_)
        if (is_real(a.format) && (name == tensor || name == "all")) compared_.push_back(tensor), known = true;
      if (!known)
        throw Error("--tensor",
                    "--tensor = " + name + " must be a real tensor of " + c.golden.id + ", or all");
    }
  }

  /// Nothing for a bug that changes nothing here.
  std::optional<AuditedBug> of(const Bug& bug) const {
    const Arrays wrong = evaluate_with(bug, c_.config, c_.golden.inputs);
    if (!changes(wrong, {})) return std::nullopt;
    AuditedBug audited{bug.name, {}, changes(wrong, compared_), {}, {}, detector_.ratio(wrong)};
    for (const Tolerance& tolerance : tolerances_) audited.accepted.push_back(accepted(tolerance, wrong));
    audited.f32 = status_of(wrong, Format::F32), audited.bf16 = status_of(wrong, Format::BF16);
    return audited;
  }

 private:
  /// Does `wrong` differ in these tensors, or, where none are named, in any?
  bool changes(const Arrays& wrong, const std::vector<std::string>& names) const {
    if (names.empty() && wrong.size() != right_.size()) return true;
    for (const auto& [name, a] : right_) {
      if (!names.empty() && std::find(names.begin(), names.end(), name) == names.end()) continue;
      const Array* got = tensor_of(wrong, name);
      if (got == nullptr || !equal(*got, a)) return true;
    }
    return false;
  }
  bool accepted(const Tolerance& tolerance, const Arrays& wrong) const {
    return std::all_of(compared_.begin(), compared_.end(), [&](const std::string& name) {
      const Array* got = tensor_of(wrong, name);
      return got != nullptr && accepts(tolerance, *got, *tensor_of(right_, name));
    });
  }
  Status status_of(const Arrays& wrong, Format format) const {
    Answer answer;
    for (const auto& [name, a] : wrong) answer.tensors.emplace_back(name, returned(a, format));
    return check(c_, answer, {profile_for(format), Mode::EndToEnd}).status;
  }

  const CheckCase& c_;
  const std::vector<Tolerance>& tolerances_;
  Detector detector_;
  const Arrays& right_;
  std::vector<std::string> compared_;
};

}  // namespace

Audit audit(const CheckCase& c, const std::vector<Tolerance>& tolerances,
            const std::vector<std::string>& compared, const Progress& progress) {
  if (c.golden.invalid) throw Error("CASE", c.golden.id + " must be refused: it has no numbers to compare");
  const Auditor auditor(c, tolerances, compared);
  Audit all;
  double done = 0;
  for (const Bug& bug : bugs()) {
    progress(done++ / static_cast<double>(bugs().size()));
    std::optional<AuditedBug> audited = auditor.of(bug);
    if (!audited) continue;
    if (audited->ratio) all.detection.add(audited->name, *audited->ratio);
    all.bugs.push_back(std::move(*audited));
  }
  return all;
}

}  // namespace moe
