#include "layer.h"
#include "moe/parallel.h"
#include "numbers.h"

// What is added where experts work in a latent space: (X5), the map into it and the one out of it, and the ways back.
namespace moe::cpu {

/// to (T, n) = from (T, k) times a map (n, k).
void Layer::map_rows(const Linear& map, const Floats& from, Floats& to) const {
  const Index T = config_.shape.num_tokens;
  to.prepare(T, map.outputs());
  if (T == 0) return;
  run_tiles(map, T, from.row(0), [&](const Tile& tile, const float* made) {
    for (Index i = 0; i < tile.rows; ++i)
      std::copy_n(made + i * tile.width, tile.width, to.row(tile.first + i) + tile.column);
  });
}
void Layer::keep_rows(Floats& rows) const {
  parallel_for(rows.rows(), [&](Index t) { keep(rows.row(t), rows.cols()); });
}
const Floats& Layer::worked_on() const { return has_latent(config_) ? a_.latent : a_.x; }
/// How wide is what expert e works on?
Index Layer::width_of(Index e) const {
  return e == config_.shape.num_experts ? config_.shape.hidden_size : expert_width(config_);
}

/// (X5): the sums of a latent space, and y as far as it is a map of them.
void Layer::raise_sums() {
  const Index T = config_.shape.num_tokens;
  a_.latent_y.prepare(T, config_.experts.latent_size);
  parallel_for(T, [&](Index t) { sum_rows(t, a_.latent_y.row(t)); });
  keep_rows(a_.latent_y);
  map_rows(latent_up_, a_.latent_y, a_.y);
  keep_rows(a_.y);
}

/// (X5'), from dy to the gradient of the sums of a latent space.
void Layer::raise_sums_back() {
  if (!has_latent(config_)) return;
  const Index T = config_.shape.num_tokens, D = config_.shape.hidden_size, L = config_.experts.latent_size;
  if (latent_up_back_.blocks() == 0)
    latent_up_back_ = load_map_back(inputs_, Tensor::latent_up, D, L, storage_);
  Floats& dr = g_.routed;
  dr.prepare(T, D);
  parallel_for(T, [&](Index t) { scale(routed_share(), a_.dy.row(t), D, dr.row(t)); });
  map_rows(latent_up_back_, dr, g_.latent_y), keep_rows(g_.latent_y);
  g_.latent_up = weight_gradient(T, D, L, dr.row(0), a_.latent_y.row(0));
  keep(g_.latent_up.data(), g_.latent_up.size());
}

/// (X5'), from the rows of experts in a latent space to x.
void Layer::latent_back() {
  if (!has_latent(config_)) return;
  const Index T = config_.shape.num_tokens, D = config_.shape.hidden_size, L = config_.experts.latent_size;
  if (latent_down_back_.blocks() == 0)
    latent_down_back_ = load_map_back(inputs_, Tensor::latent_down, L, D, storage_);
  g_.latent_x.prepare(T, L);
  parallel_for(T, [&](Index t) {
    std::fill_n(g_.latent_x.row(t), L, 0.0F);
    gather_row_back(t, g_.latent_x.row(t));
  });
  keep_rows(g_.latent_x);
  Floats& dx = g_.from_latent;
  map_rows(latent_down_back_, g_.latent_x, dx);
  parallel_for(T, [&](Index t) { add(dx.row(t), D, g_.x.row(t)); });
  g_.latent_down = weight_gradient(T, L, D, g_.latent_x.row(0), a_.x.row(0));
  keep(g_.latent_down.data(), g_.latent_down.size());
}

}  // namespace moe::cpu
