# libzip as the target libzip::zip. Its own CMake package, as Debian has it, also demands the programs zipcmp and ziptool.
find_library(LIBZIP_LIBRARY zip)
find_path(LIBZIP_INCLUDE_DIR zip.h)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(libzip REQUIRED_VARS LIBZIP_LIBRARY LIBZIP_INCLUDE_DIR)
if(libzip_FOUND AND NOT TARGET libzip::zip)
  add_library(libzip::zip INTERFACE IMPORTED)
  target_include_directories(libzip::zip SYSTEM INTERFACE ${LIBZIP_INCLUDE_DIR})
  target_link_libraries(libzip::zip INTERFACE ${LIBZIP_LIBRARY})
endif()
