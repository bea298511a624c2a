# FLINT with ball arithmetic as the target FLINT::arb: FLINT 2.9 with Arb 2.23 beside it (as in Debian 12), or FLINT 3,
# which has Arb inside (as in Debian 13).
find_library(FLINT_LIBRARY flint)
find_library(ARB_LIBRARY NAMES arb flint-arb)
find_path(FLINT_INCLUDE_DIR flint/flint.h)
find_library(MPFR_LIBRARY mpfr)
find_library(GMP_LIBRARY gmp)
if(EXISTS "${FLINT_INCLUDE_DIR}/flint/arb.h")
  set(ARB_LIBRARY ${FLINT_LIBRARY})
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(FLINT REQUIRED_VARS FLINT_LIBRARY ARB_LIBRARY FLINT_INCLUDE_DIR MPFR_LIBRARY GMP_LIBRARY)
if(FLINT_FOUND AND NOT TARGET FLINT::arb)
  add_library(FLINT::arb INTERFACE IMPORTED)
  target_include_directories(FLINT::arb SYSTEM INTERFACE ${FLINT_INCLUDE_DIR})
  target_link_libraries(FLINT::arb INTERFACE ${ARB_LIBRARY} ${FLINT_LIBRARY} ${MPFR_LIBRARY} ${GMP_LIBRARY})
endif()
