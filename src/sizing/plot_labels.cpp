#include <algorithm>
#include <cmath>

#include "plot_page.h"

namespace moe::plotting {
namespace {

bool overlap(const Box& a, const Box& b) {
  return a.left < b.right && b.left < a.right && a.bottom < b.top && b.bottom < a.top;
}

/// Where the middle of a text is, seen from its point: -1, 0 or 1 to the right, and up.
struct Direction {
  int right, up;
};
const std::vector<Direction>& directions(Beside side) {
  static const std::vector<Direction> any{{1, 0},  {1, 1},   {1, -1}, {-1, 0},
                                          {-1, 1}, {-1, -1}, {0, 1},  {0, -1}},
      above{{-1, 1}, {0, 1}, {-1, 0}, {1, 1}}, below{{1, -1}, {0, -1}, {1, 0}, {-1, -1}};
  return side == Beside::Above ? above : side == Beside::Below ? below : any;
}

Box box_at(const Placed& text, const Direction& to, double gap) {
  const double aside = to.up == 0 ? gap : gap / 2;
  const double x = text.x + to.right * (aside + text.width / 2),
               y = text.y + to.up * (0.6 * gap + text.height / 2);
  return {x - text.width / 2, y - text.height / 2, x + text.width / 2, y + text.height / 2};
}

}  // namespace

void place_texts(std::vector<Placed>& texts, std::vector<Obstacle> obstacles, const Box& area, double gap,
                 int rings) {
  constexpr double kOutside = 20, kText = 30, kFarther = 0.3;
  for (Placed& text : texts) {
    double least = HUGE_VAL;
    for (int ring = 1; ring <= rings; ++ring)
      for (const Direction& to : directions(text.side)) {
        const Box box = box_at(text, to, ring * gap);
        double cost = (ring - 1) * kFarther;
        if (box.left < area.left || box.right > area.right || box.bottom < area.bottom || box.top > area.top)
          cost += kOutside;
        for (const Obstacle& o : obstacles) cost += overlap(box, o.box) ? o.cost : 0;
        if (cost < least) least = cost, text.box = box, text.right = to.right, text.is_far = ring > 2;
      }
    obstacles.push_back({text.box, kText});
  }
}

}  // namespace moe::plotting
