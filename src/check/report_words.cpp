#include "moe/report.h"
#include "text.h"

// What a run says of its arithmetic, in words.
namespace moe {
namespace {

std::string cases_text(Index n) { return std::to_string(n) + (n == 1 ? " case" : " cases"); }

std::string unseen_text(const Unseen& u) {
  if (u.mistakes == 0) return "";
  std::string text = " " + std::to_string(u.passing.size()) + " of " + std::to_string(u.mistakes) +
                     " named mistakes would pass at this rung on " + u.id;
  if (!u.passing.empty()) text += ": " + listed(u.passing);
  if (!u.next.empty()) {
    text += "; return " + u.next.front();
    if (u.next.size() > 1) text += " and " + u.next.back();
    text += " to see " + std::to_string(u.seen_by_next) + " of them";
  }
  return text + '.';
}

}  // namespace

std::string arithmetic_text(const FoundArithmetic& found) {
  if (!found.is_ladder) return found.hint;
  std::string text = std::string(name_of(found.status)) + " as " + found.words;
  if (!found.holds()) text += ", the loosest that is known";
  if (!found.strictest.empty())
    text += "; as " + found.strictest + ' ' + std::to_string(found.failing) + " of " +
            cases_text(found.cases) + (found.failing == 1 ? " fails" : " fail") +
            " (worst: " + found.worst.tensor + ' ' + short_text(found.worst.ratio) + " times, " +
            found.worst.id + ')';
  text += '.';
  return found.unseen ? text + unseen_text(*found.unseen) : text;
}

}  // namespace moe
