#pragma once

#include <string>

namespace moe {

/// What is known of a field of a config, or of a bug: the number in docs/GOTCHAS.md, and what to change.
struct Note {
  const char* subject;  // the field, or the name of the bug
  const char* right;    // the value that the case says; empty for any
  int gotcha;
  const char* advice;
};

/// The note on a field for the value that a case says, else that for any value; null where there is none. An element of aux
/// is known as aux.
const Note* note_on(const std::string& subject, const std::string& right);

}  // namespace moe
