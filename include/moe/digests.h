#pragma once

#include "moe/golden.h"

/// The bulk of the exact tier: generated cases, of which digests are published and nothing else. The recipe stands in
/// golden/README.md.
namespace moe {

inline constexpr Index kDigestCases = 10'000;
inline constexpr const char* kDigestsPath = "exact/digests.json";

/// Case n of them as a case of a golden file, and back from its id, exact/digest-000123.
GoldenCase digest_case(Index n);
std::optional<Index> digest_number(const std::string& id);

/// The first 8 bytes of each case's SHA-256, one SHA-256 of every thousand, and the bits that each case needs.
std::string digests_json();

}  // namespace moe
