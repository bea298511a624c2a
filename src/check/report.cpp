#include "moe/report.h"

#include <map>
#include <set>

#include "text.h"

namespace moe {
namespace {

/// The axes of a tensor; none where its name or its shape is not one of ours.
std::vector<std::string> axes_of(const TensorVerdict& tensor) {
  const auto id = tensor_called(tensor.name);
  const std::vector<std::string> axes = id ? axes_of(info_of(*id)) : std::vector<std::string>();
  return axes.size() == tensor.dims.size() ? axes : std::vector<std::string>();
}

std::string count_text(std::size_t n, const std::string& what) {
  return std::to_string(n) + ' ' + what + (n == 1 ? "" : "s");
}

std::string first_word(const std::string& name) { return name.substr(0, name.find('.')); }

/// Tensors that begin with one word and were not returned, and in how many cases.
struct Missing {
  std::set<std::string> names;
  std::size_t cases = 0;
};

/// All of a group by its first word, where nothing of it was returned; else up to three of its names.
std::string group_text(const std::string& word, const Missing& missing, bool all) {
  constexpr std::size_t kMostNames = 3;
  if (all && missing.names.size() > 1)
    return word + ".* (" + count_text(missing.names.size(), "tensor") + ')';
  std::string text;
  std::size_t left = kMostNames;
  for (const std::string& name : missing.names)
    if (left > 0) text += (left-- == kMostNames ? "" : ", ") + name;
  if (missing.names.size() > kMostNames)
    text += " and " + std::to_string(missing.names.size() - kMostNames) + " more of " + word + ".*";
  return text;
}

}  // namespace

std::array<Index, kStatuses> counts_of(const CheckReport& report) {
  std::array<Index, kStatuses> counts{};
  for (const CaseVerdict& c : report.cases) counts[static_cast<std::size_t>(c.status)] += 1;
  return counts;
}

std::string totals_text(const CheckReport& report) {
  const auto counts = counts_of(report);
  std::string text;
  for (const Status s :
       {Status::Pass, Status::Flag, Status::Fail, Status::Partial, Status::LowPower, Status::Skipped})
    if (const Index n = counts[static_cast<std::size_t>(s)]; n > 0)
      text += (text.empty() ? ": " : ", ") + std::to_string(n) + ' ' + name_of(s);
  return count_text(report.cases.size(), "case") + text;
}

Status status_of(const CheckReport& report) {
  const auto counts = counts_of(report);
  for (const Status s : {Status::Fail, Status::Flag, Status::Partial, Status::Pass, Status::LowPower})
    if (counts[static_cast<std::size_t>(s)] > 0) return s;
  return Status::Skipped;
}

std::string declined_text(const CheckReport& report) {
  std::vector<std::string> ids;
  for (const CaseVerdict& c : report.cases)
    if (c.declined) ids.push_back(c.id);
  return ids.empty() ? "" : "declined: " + listed(ids);
}

std::vector<const CaseVerdict*> worst_first(const CheckReport& report) {
  std::vector<std::pair<std::optional<double>, const CaseVerdict*>> cases;
  for (const CaseVerdict& c : report.cases) cases.emplace_back(worst_ratio(c), &c);
  std::stable_sort(cases.begin(), cases.end(), [](const auto& a, const auto& b) {
    return std::pair(a.second->status, a.first) > std::pair(b.second->status, b.first);
  });
  std::vector<const CaseVerdict*> sorted;
  sorted.reserve(cases.size());
  for (const auto& [ratio, c] : cases) sorted.push_back(c);
  return sorted;
}

std::optional<double> worst_ratio(const TensorVerdict& verdict) {
  if (!is_real(verdict.format) || verdict.judged == 0) return std::nullopt;
  return std::isfinite(verdict.got) ? verdict.hard_ratio : HUGE_VAL;
}

std::optional<double> worst_ratio(const CaseVerdict& verdict) {
  std::optional<double> worst;
  for (const TensorVerdict& v : verdict.tensors) worst = std::max(worst, worst_ratio(v));
  return worst;
}

std::vector<std::string> missing_lines(const CheckReport& report) {
  std::map<std::string, Missing> groups;
  std::set<std::string> returned;
  for (const CaseVerdict& c : report.cases) {
    std::set<std::string> words;
    for (const TensorVerdict& v : c.tensors) returned.insert(first_word(v.name));
    for (const std::string& name : c.missing) {
      words.insert(first_word(name));
      groups[first_word(name)].names.insert(name);
    }
    for (const std::string& word : words) groups[word].cases += 1;
  }
  std::vector<std::string> lines;
  lines.reserve(groups.size());
  for (const auto& [word, missing] : groups)
    lines.push_back(group_text(word, missing, returned.count(word) == 0) + " in " +
                    count_text(missing.cases, "case"));
  return lines;
}

std::vector<std::string> unknown_lines(const CheckReport& report) {
  std::map<std::string, std::size_t> cases;
  for (const CaseVerdict& c : report.cases)
    for (const std::string& name : c.unknown) cases[name] += 1;
  std::vector<std::string> lines;
  lines.reserve(cases.size());
  for (const auto& [name, n] : cases) lines.push_back(name + " in " + count_text(n, "case"));
  return lines;
}

Places::Places(const CaseVerdict& verdict) {
  if (!verdict.routing) return;
  const RoutingVerdict& routing = *verdict.routing;
  // A reason without a token that chooses otherwise: y shows other experts than those that are listed.
  if (routing.status != Status::Fail && !routing.reason.empty() &&
      std::all_of(routing.tokens.begin(), routing.tokens.end(),
                  [](const TokenRouting& token) { return token.agrees; }))
    return;
  for (const TokenRouting& token : routing.tokens) {
    const bool own = routing.status != Status::Fail && !token.agrees;
    const auto t = static_cast<Index>(slots_.size());
    for (const Index e : own ? token.got : token.expected) rows_.emplace_back(e, t);
    slots_.push_back(token.got == token.expected ? token.expected : std::vector<Index>());
  }
  std::sort(rows_.begin(), rows_.end());
}

/// Number i counted along the first `last` axes.
Place Places::locate(const TensorVerdict& tensor, const std::vector<std::string>& axes, std::size_t last,
                     Index i) const {
  Place place;
  Index slot = -1, row = -1;
  for (std::size_t d = tensor.dims.size(); d-- > 0; i /= tensor.dims[d]) {
    const Index at_d = i % tensor.dims[d];
    if (d >= last || axes.empty()) continue;
    if (axes[d] == "token") place.token = at_d;
    if (axes[d] == "expert") place.expert = at_d;
    if (axes[d] == "slot") slot = at_d;
    if (axes[d] == "row" && static_cast<Index>(rows_.size()) == tensor.dims[d]) row = at_d;
  }
  if (row >= 0) place.expert = at(rows_, row).first, place.token = at(rows_, row).second;
  if (slot >= 0 && place.token >= 0 && place.token < static_cast<Index>(slots_.size()) &&
      slot < static_cast<Index>(at(slots_, place.token).size()))
    place.expert = at(at(slots_, place.token), slot);
  return place;
}

Place Places::of(const TensorVerdict& tensor, Index i) const {
  Place found = locate(tensor, axes_of(tensor), tensor.dims.size(), i);
  found.index = place(tensor.dims, i);
  return found;
}

std::vector<Place> Places::of_rows(const TensorVerdict& tensor) const {
  const std::vector<std::string> axes = axes_of(tensor);
  std::vector<Place> places;
  for (std::size_t r = 0; r < tensor.row_ratio.size(); ++r) {
    if (tensor.dims.size() < 2) {
      places.emplace_back();
      continue;
    }
    places.push_back(
        locate(tensor, axes, tensor.dims.size() - 1, static_cast<Index>(r) * tensor.dims.back()));
  }
  return places;
}

}  // namespace moe
