#pragma once

#include "moe/report.h"

/// The drawings of the page: inline SVG and its captions.
namespace moe {

/// Text as HTML shows it, in elements and in attributes.
std::string escaped(const std::string& text);

/// A share of the budget as a bar, full where it is used up, with the number beside it.
std::string budget_bar(std::optional<double> ratio);

/// How many numbers lie in each bucket of `ulps`: the height is the logarithm of the count.
std::string ulp_chart(const std::array<Index, kUlpBuckets>& ulps);

/// What the colours of heat_maps mean.
std::string heat_legend();

/// Error over budget of each tensor by token, by expert, and by row where rows of experts are not known.
std::string heat_maps(const CaseVerdict& verdict);

}  // namespace moe
