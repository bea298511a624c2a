#include "moe/certify.h"

// The build without FLINT: everything but proofs.
namespace moe {

namespace {
[[noreturn]] void decline() {
  throw CannotRun("this build has no ball arithmetic (FLINT was not found), so it cannot certify");
}
}  // namespace

Certified certify(const Config&, const Inputs&, const CertifyOptions&) { decline(); }
Arrays certified_results(const Config&, const Inputs&, const Decisions&) { decline(); }
std::string ball_library() { return ""; }

}  // namespace moe
