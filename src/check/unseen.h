#pragma once

#include "judging.h"

namespace moe {

/// The named mistakes that an answer to this case could hold and still pass, as it was returned and in this arithmetic; and
/// the tensors that would show the most of them.
Unseen unseen_mistakes(const Judging& j);

}  // namespace moe
