#include <fstream>
#include <system_error>

#include "moe/file.h"
#include "scratch.h"

using namespace moe;

TEST_CASE("temporary: what a killed process has left is removed, what another one holds is not") {
  const Scratch folder;
  const TemporaryFile held(TemporaryFile::path_in(folder / ""));
  std::ofstream(TemporaryFile::path_in(folder / "")) << "left";
  std::ofstream(folder / ".moe-oracle-notes.tmp") << "somebody's own";
  std::filesystem::create_directory(TemporaryFile::path_in(folder / ""));
  std::ofstream(folder / "own") << "is not followed";
  std::filesystem::create_symlink(folder / "own", TemporaryFile::path_in(folder / ""));
  OutputFile file(folder / "./a");  // a process looks once into each folder, by the name that it has for it
  file.commit();
  CHECK(folder.files() == 6);  // held, own, the notes, the folder, the link, and what was written
  CHECK(read_text(folder / "own") == "is not followed");
}

TEST_CASE("temporary: a temporary file is new, or there is none, and is gone when it is not needed") {
  const Scratch folder;
  std::ofstream(folder / "there") << "somebody's";
  std::filesystem::create_symlink(folder / "elsewhere", folder / "link");
  for (const char* name : {"there", "link"}) CHECK_THROWS_AS(TemporaryFile(folder / name), std::system_error);
  CHECK(read_text(folder / "there") == "somebody's");
  CHECK(!std::filesystem::exists(folder / "elsewhere"));
  {
    TemporaryFile file(folder / "new");
    file.write(std::string("x"));
    CHECK(folder.files() == 3);
  }
  CHECK(folder.files() == 2);
  CHECK(TemporaryFile::path_in(folder / "") != TemporaryFile::path_in(folder / ""));
}
