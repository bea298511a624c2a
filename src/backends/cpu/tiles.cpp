#include "tiles.h"

namespace moe::cpu {
namespace {

struct Task {
  const Work* work;  // none for a map of its own
  const Linear* map;
  const float* x;
  Tile tile;
};

void add_tasks(const Work* work, const Linear& map, Index rows, const float* x, std::vector<Task>& tasks) {
  for (Index b = 0; b < map.blocks(); ++b)
    for (Index first = 0; first < rows; first += kMostRows) {
      const Index some = std::min(kMostRows, rows - first);
      tasks.push_back({work, &map, x + first * map.inputs(), {b, map.first(b), map.width(b), first, some}});
      map.prepare(some);
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

void run_tiles(const std::vector<Work>& work, Linear Expert::*map,
               const std::function<const float*(const Work&)>& source,
               const std::function<void(const Work&, const Tile&, float* made)>& use) {
  std::vector<Task> tasks;
  for (const Work& w : work) add_tasks(&w, w.expert->*map, w.rows, source(w), tasks);
  run(tasks, [&](const Task& task, float* made) { use(*task.work, task.tile, made); });
}

Matrix<float> mapped(const Linear& map, Index rows, const float* x) {
  std::vector<Task> tasks;
  add_tasks(nullptr, map, rows, x, tasks);
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
