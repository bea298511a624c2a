#pragma once

#include "judging.h"

namespace moe {

/// The arithmetic in which an answer holds, or the loosest that is known: what check() judges it by.
Profile profile_found(const CheckCase& c, const Answer& answer, const CheckOptions& options);

}  // namespace moe
