#pragma once

#include <compare>

#include "moe/check.h"

/// Which arithmetic an answer is judged in, as far as the answer shows it: docs/MATH.md, section 15.
namespace moe {

/// The formats that the data path of an answer is computed in.
struct Working {
  Format forward = Format::F64, backward = Format::F64;
  auto operator<=>(const Working&) const = default;

  const Format& of(Tensor id) const { return id >= Tensor::grad_x ? backward : forward; }
};
/// The one of fewer digits.
Format narrower(Format a, Format b);
Format narrowest(const Working& w);
/// The narrowest formats among the tensors of the data path that are there, or `dtype` where that is narrower; where there
/// is neither, the widest format of all.
Working working_of(const CheckCase& c, const Answer& answer, std::optional<Format> dtype);

/// What all answers of a run say of tensors that come in a wider format than the data path: were they stored in a narrower one?
class Evidence {
 public:
  /// `got` is what a candidate returned where `expected` is right.
  void add(const std::string& name, const Array& got, const std::vector<double>& expected);
  /// Do all elements of all answers fit `format`, and among them so many that need not that it is no accident?
  ///   (J0)  an element is informative if the right value, rounded to the format that was returned, is no number of
  ///         `format`; the digits that it has less are its bits, and 40 of them are enough
  bool stored_in(Format format, const std::string& name) const;

 private:
  struct Seen {
    bool refuted = false;
    Index bits = 0;
  };
  std::map<std::pair<Format, std::string>, Seen> seen_;
};

/// Is x a number of the format?
bool fits(double x, Format format);

/// Is this a tensor that the layer has, of the right shape as far as that does not depend on what was dropped, with elements?
bool is_known(const Config& config, const std::string& name, const Array& a);

/// The formats that the tensors of an answer are stored in: as they were returned, or as the evidence says.
using StoredIn = std::map<std::string, Format>;
StoredIn stored_in(const CheckCase& c, const Answer& answer, const Working& working,
                   const Evidence& evidence);

/// How many rungs there are for a working format.
std::size_t rungs_of(const Working& working);
/// Rung `rung`, where what was returned is stored as it was returned, and nothing loosens that.
Profile profile_of(const Working& working, std::size_t rung, const StoredIn& returned);

}  // namespace moe
