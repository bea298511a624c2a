#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "moe/file.h"
#include "scratch.h"

using namespace moe;

TEST_CASE("file: a file appears whole, and replaces the old one") {
  const Scratch folder;
  const std::string path = folder / "a.txt";
  {
    OutputFile file(path);
    file.write(std::string("one"));
    file.commit();
  }
  CHECK(read_text(path) == "one");
  {
    OutputFile file(path);
    file.write(std::string("two, but nobody commits"));
  }
  CHECK(read_text(path) == "one");
  CHECK(folder.files() == 1);
}

TEST_CASE("file: paths that cannot be read or written are errors with their name") {
  const Scratch folder;
  CHECK(error_of([&] { read_text(folder / "nothing"); }) ==
        (folder / "nothing") + ": must be a readable file: No such file or directory");
  CHECK(error_of([&] {
          read_text(folder / "");
        }).ends_with("must be a readable file: it is not a regular file"));
  CHECK(error_of([&] { OutputFile file(folder / "no/where"); }) ==
        (folder / "no/where") + ": cannot be written: No such file or directory");
}

TEST_CASE("file: a full disk is no one's bad input, and leaves nothing behind") {
  OutputFile file("/dev/full");
  CHECK_THROWS_AS(file.write(std::string("x")), CannotRun);
}

TEST_CASE("file: a pipe is written directly, and one that nobody reads is an error, not a wait") {
  const Scratch folder;
  const std::string path = folder / "pipe";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  CHECK(error_of([&] { OutputFile file(path); }) ==
        path + ": cannot be written: it is a pipe that nobody reads");
  const int reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK);
  OutputFile file(path);
  file.write(std::string("some words"));
  file.commit();
  std::string read(20, '\0');
  read.resize(static_cast<std::size_t>(::read(reader, read.data(), read.size())));
  ::close(reader);
  CHECK(read == "some words");
  CHECK(std::filesystem::is_fifo(path));
}

TEST_CASE("file: a name as long as names may be, and where the file beside it would have a longer one") {
  const Scratch folder;
  for (const std::size_t length : {std::size_t{1}, std::size_t{245}, std::size_t{255}}) {
    const std::string path = folder / std::string(length, 'x');
    OutputFile file(path);
    file.write(std::string("whole"));
    file.commit();
    CHECK(read_text(path) == "whole");
  }
  CHECK(folder.files() == 3);
}

TEST_CASE("file: reading beyond the end is an error") {
  const Scratch folder;
  std::ofstream(folder / "b") << "abc";
  const InputFile file(folder / "b");
  std::vector<std::byte> bytes(4);
  CHECK(error_of([&] { file.read(0, bytes); }).find("must be readable to its end") != std::string::npos);
}
