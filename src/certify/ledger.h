#pragma once

#include "moe/certify.h"
#include "moe/scalar/ball.h"

namespace moe {

/// Ziv's loop over many numbers at once: the first pass rounds every number it can, later passes at more bits look only
/// at those still open. A visitor of the lists of trace.h.
/// Source: Ziv, Fast Evaluation of Elementary Mathematical Functions with Correctly Rounded Last Bit (TOMS 17, 1991).
class Ledger {
 public:
  void operator()(const std::string& name, const Dims& dims, Index first, const Ball* data, Index count) {
    Entry& entry = find(name, dims);
    if (first_pass_) {
      for (Index i = 0; i < count; ++i)
        if (!settle(entry, first + i, data[i])) entry.open.push_back(first + i);
      return;
    }
    const auto begin = std::lower_bound(entry.open.begin(), entry.open.end(), first);
    for (auto i = begin; i != entry.open.end() && *i < first + count; ++i)
      if (!settle(entry, *i, data[*i - first])) entry.still.push_back(*i);
  }
  template <typename Integer>
  void operator()(const std::string& name, const Dims& dims, Index, const Integer* data, Index) {
    if (first_pass_) entries_.push_back({name, array_of(dims, data), {}, {}});
  }

  /// Ends a pass and says how many numbers are open.
  Index open_after_pass() {
    Index open = 0;
    for (Entry& entry : entries_) {
      if (!first_pass_) entry.open = std::exchange(entry.still, {});
      open += static_cast<Index>(entry.open.size());
    }
    first_pass_ = false;
    return open;
  }

  /// Everything into `result`; what is still open is refused, and stands there as the lower end of its enclosure.
  void close(Certified& result) {
    for (Entry& entry : entries_) {
      for (const Index i : entry.open) {
        const auto [low, high] = entry.ends.at(i);
        result.refused.push_back({entry.name, i, low, high});
      }
      if (is_real(entry.array.format)) result.numbers += entry.array.size();
      result.arrays.emplace_back(std::move(entry.name), std::move(entry.array));
    }
  }

 private:
  struct Entry {
    std::string name;
    Array array;
    std::vector<Index> open, still;
    std::map<Index, Ball::Interval> ends{};
  };

  Entry& find(const std::string& name, const Dims& dims) {
    for (Entry& entry : entries_)
      if (entry.name == name) return entry;
    std::vector<std::byte> bytes(static_cast<std::size_t>(product(dims)) * 8);
    return entries_.emplace_back(Entry{name, Array{Format::F64, dims, std::move(bytes), {}}, {}, {}});
  }
  static bool settle(Entry& entry, Index i, const Ball& number) {
    const std::optional<double> rounded = correctly_rounded(number);
    const Ball::Interval ends = rounded ? Ball::Interval{*rounded, *rounded} : enclosing_doubles(number);
    std::memcpy(entry.array.bytes.data() + i * 8, &ends.low, sizeof ends.low);
    if (!rounded) entry.ends[i] = ends;
    return rounded.has_value();
  }

  bool first_pass_ = true;
  std::vector<Entry> entries_;
};

}  // namespace moe
