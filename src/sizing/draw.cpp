#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "moe/error.h"
#include "moe/file.h"
#include "moe/plot.h"

extern char** environ;

namespace moe {
namespace {

/// A file without a name, gone when it is closed: no pipe that could fill while gnuplot still reads.
using Unnamed = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;
Unnamed unnamed() {
  Unnamed file(std::tmpfile(), &std::fclose);
  if (file == nullptr) throw CannotRun(std::string("no temporary file for gnuplot: ") + std::strerror(errno));
  return file;
}

std::string text_of(std::FILE* file) {
  std::string text;
  std::rewind(file);
  char part[1 << 16];
  for (std::size_t n; (n = std::fread(part, 1, sizeof part, file)) > 0;) text.append(part, n);
  return text;
}

/// What gnuplot writes when it is told `script`.
std::string gnuplot(const std::string& script) {
  const Unnamed in = unnamed(), out = unnamed(), err = unnamed();
  if (std::fwrite(script.data(), 1, script.size(), in.get()) != script.size() || std::fflush(in.get()) != 0)
    throw CannotRun("no room for what gnuplot is told");
  std::rewind(in.get());
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, fileno(in.get()), 0);
  posix_spawn_file_actions_adddup2(&files, fileno(out.get()), 1);
  posix_spawn_file_actions_adddup2(&files, fileno(err.get()), 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  sigset_t none;  // what we block is no business of its
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  std::string program = "gnuplot", no_startup_files = "-d";
  char* arguments[] = {program.data(), no_startup_files.data(), nullptr};
  pid_t process = -1;
  const int failed = posix_spawnp(&process, "gnuplot", &files, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (failed != 0)
    throw CannotRun(std::string("plots need gnuplot, which cannot be started (") + std::strerror(failed) +
                    "): on Debian and Ubuntu it is in the package gnuplot-nox");
  int status = 0;
  while (waitpid(process, &status, 0) < 0 && errno == EINTR) continue;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw CannotRun("gnuplot could not draw this: " + text_of(err.get()));
  std::string drawn = text_of(out.get());
  if (drawn.empty()) throw CannotRun("gnuplot drew nothing: " + text_of(err.get()));
  return drawn;
}

}  // namespace

std::string draw(const Plot& plot, const std::string& path) {
  if (path == "-") {
    std::string letters = gnuplot(gnuplot_script(plot, "dumb")) + '\n';
    std::erase(letters, '\f');  // gnuplot begins a page with one
    return letters;
  }
  const std::string ending = path.size() < 5 ? "" : path.substr(path.size() - 4);
  require(ending == ".svg" || ending == ".png", "--plot", '"' + path + '"',
          "must be -, or end in .svg or .png");
  OutputFile file(path);
  file.write(gnuplot(gnuplot_script(plot, ending.substr(1))));
  file.commit();
  return "";
}

}  // namespace moe
