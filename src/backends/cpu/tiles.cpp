#include "tiles.h"

#include "moe/parallel.h"

namespace moe::cpu {
namespace {

struct Task {
  const Work* work;  // none for a map of its own
  const Linear* map;
  Operand x;
  Tile tile;
};

/// from(i) is where row i lies.
template <typename From>
void add_tasks(const Work* work, const Linear& map, Index rows, const From& from, std::vector<Task>& tasks) {
  for (Index first = 0; first < rows; first += kMostRows) {
    const Index some = std::min(kMostRows, rows - first);
    map.prepare(some);
    for (Index b = 0; b < map.blocks(); ++b)
      tasks.push_back({work, &map, from(first), {b, map.first(b), map.width(b), first, some}});
  }
}
std::vector<Task> tasks_of(const std::vector<Work>& work, Linear Expert::*map, Part Work::*source) {
  std::vector<Task> tasks;
  for (const Work& w : work)
    add_tasks(
        &w, w.expert->*map, w.rows, [&](Index i) { return (w.*source).from(i); }, tasks);
  return tasks;
}

/// use(task, made) after made (rows, width) = the tile of the task, dense.
template <typename Use>
void run(const std::vector<Task>& tasks, const Use& use) {
  parallel_for(static_cast<Index>(tasks.size()), [&](Index i) {
    thread_local std::vector<float> made;
    const Task& task = at(tasks, i);
    const Tile& tile = task.tile;
    made.resize(std::max(made.size(), static_cast<std::size_t>(kMostRows * tile.width)));
    task.map->multiply(tile.block, tile.rows, task.x, made.data(), tile.width);
    use(task, made.data());
  });
}

}  // namespace

void run_tiles(const std::vector<Work>& work, Linear Expert::*map, Part Work::*source,
               const std::function<void(const Work&, const Tile&, float* made)>& use) {
  run(tasks_of(work, map, source), [&](const Task& task, float* made) { use(*task.work, task.tile, made); });
}

void run_tiles(const std::vector<Work>& work, Linear Expert::*map, Part Work::*source, float* Work::*to) {
  const std::vector<Task> tasks = tasks_of(work, map, source);
  parallel_for(static_cast<Index>(tasks.size()), [&](Index i) {
    const auto& [w, linear, x, tile] = at(tasks, i);
    const Index n = linear->outputs();
    linear->multiply(tile.block, tile.rows, x, w->*to + tile.first * n + tile.column, n);
  });
}

void run_tiles(const Linear& map, Index rows, const float* x,
               const std::function<void(const Tile&, const float* made)>& use) {
  std::vector<Task> tasks;
  const Index k = map.inputs();
  add_tasks(
      nullptr, map, rows, [&](Index i) { return operand(x + i * k, k); }, tasks);
  run(tasks, [&](const Task& task, const float* made) { use(task.tile, made); });
}

}  // namespace moe::cpu
