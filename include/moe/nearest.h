#pragma once

#include <string>
#include <vector>

namespace moe {

/// Of `names` those that `name` is most likely a misspelling of: the fewest letters left out, put in, changed or exchanged,
/// and not more than a third of them, large or small; where there is none, those that begin with it. Empty where none does.
std::vector<std::string> nearest(const std::string& name, const std::vector<std::string>& names);

/// "; did you mean X, Y or Z?" with the first of the nearest, or nothing.
std::string did_you_mean(const std::string& name, const std::vector<std::string>& names);

/// "a, b, c", as messages list what there is.
std::string enumerated(const std::vector<std::string>& names);

}  // namespace moe
