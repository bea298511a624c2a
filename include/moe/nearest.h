#pragma once

#include <string>
#include <vector>

namespace moe {

/// Of `names` the one that `name` is most likely a misspelling of: the fewest letters left out, put in or changed, and
/// not more than a third of them. Empty where there is none.
std::string nearest(const std::string& name, const std::vector<std::string>& names);

/// "; did you mean X?", or nothing.
std::string did_you_mean(const std::string& name, const std::vector<std::string>& names);

}  // namespace moe
