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

void run(const std::vector<Task>& tasks, const std::function<void(const Task&, float* made)>& use) {
  parallel_for(static_cast<Index>(tasks.size()), [&](Index i) {
    thread_local std::vector<float> made;
    const Task& task = at(tasks, i);
    made.resize(static_cast<std::size_t>(
        std::max<Index>(static_cast<Index>(made.size()), kMostRows * task.tile.width)));
    task.map->multiply(task.tile.block, task.tile.rows, task.x, made.data());
    use(task, made.data());
  });
}

}  // namespace

void run_tiles(const std::vector<Work>& work, Linear Expert::*map, Part Work::*source,
               const std::function<void(const Work&, const Tile&, float* made)>& use) {
  std::vector<Task> tasks;
  for (const Work& w : work)
    add_tasks(
        &w, w.expert->*map, w.rows, [&](Index i) { return (w.*source).from(i); }, tasks);
  run(tasks, [&](const Task& task, float* made) { use(*task.work, task.tile, made); });
}

Matrix<float> mapped(const Linear& map, Index rows, const float* x) {
  std::vector<Task> tasks;
  const Index k = map.inputs();
  add_tasks(
      nullptr, map, rows, [&](Index i) { return operand(x + i * k, k); }, tasks);
  const Index n = map.blocks() == 0 ? 0 : map.first(map.blocks() - 1) + map.width(map.blocks() - 1);
  Matrix<float> y(rows, n);
  run(tasks, [&](const Task& task, const float* made) {
    const Tile& tile = task.tile;
    for (Index i = 0; i < tile.rows; ++i)
      std::copy_n(made + i * tile.width, tile.width, row(y, tile.first + i) + tile.column);
  });
  return y;
}

}  // namespace moe::cpu
