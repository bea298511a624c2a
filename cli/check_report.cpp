#include <cstdio>

#include "verbs.h"

namespace moe::cli {

void print_report(const CheckReport& report) { std::fputs(report_text(report).c_str(), stdout); }

}  // namespace moe::cli
