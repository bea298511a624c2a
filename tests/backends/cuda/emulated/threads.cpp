#include <ucontext.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "emulated.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define MOE_SWITCH_STACK(saved, bottom, size) __sanitizer_start_switch_fiber(saved, bottom, size)
#define MOE_SWITCHED_STACK(saved, bottom, size) __sanitizer_finish_switch_fiber(saved, bottom, size)
#else
#define MOE_SWITCH_STACK(saved, bottom, size) static_cast<void>(saved)
#define MOE_SWITCHED_STACK(saved, bottom, size) static_cast<void>(saved)
#endif

// Threads: one after the other or, in a warp, by turns on stacks of their own.
namespace {

constexpr std::size_t kStack = std::size_t{256} << 10;

struct Lane {
  ucontext_t context;
  std::vector<char> stack = std::vector<char>(kStack);
  void* saved = nullptr;
  bool gone = false;
  const char* waits_for = nullptr;
};

struct WarpState {
  std::array<Lane, 32> lanes;
  unsigned first = 0;   // threadIdx.x of lane 0
  Lane* now = nullptr;  // who runs, if anyone
  unsigned meetings = 0;
  std::array<std::array<std::uint64_t, 32>, 2> given{};  // in this meeting, and in the one before
  ucontext_t scheduler;
  void* scheduler_saved = nullptr;
  const void* scheduler_bottom = nullptr;
  std::size_t scheduler_size = 0;
  const std::function<void()>* thread = nullptr;
};
WarpState warp;

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "emulated device: %s\n", message.c_str());
  std::abort();
}

void lane_main() {
  MOE_SWITCHED_STACK(nullptr, &warp.scheduler_bottom, &warp.scheduler_size);
  (*warp.thread)();
  warp.now->gone = true;
  MOE_SWITCH_STACK(nullptr, warp.scheduler_bottom, warp.scheduler_size);
  swapcontext(&warp.now->context, &warp.scheduler);
}

void resume(unsigned i) {
  Lane& lane = warp.lanes[i];
  warp.now = &lane;
  threadIdx.x = warp.first + i;
  MOE_SWITCH_STACK(&warp.scheduler_saved, lane.stack.data(), kStack);
  swapcontext(&warp.scheduler, &lane.context);
  MOE_SWITCHED_STACK(warp.scheduler_saved, nullptr, nullptr);
  warp.now = nullptr;
}

/// From meeting to meeting until all are gone.
void run_warp(unsigned first, const std::function<void()>& thread) {
  warp.first = first, warp.thread = &thread;
  for (Lane& lane : warp.lanes) {
    lane.gone = false, lane.waits_for = nullptr;
    getcontext(&lane.context);
    lane.context.uc_stack.ss_sp = lane.stack.data(), lane.context.uc_stack.ss_size = kStack;
    lane.context.uc_link = nullptr;
    makecontext(&lane.context, lane_main, 0);
  }
  do {
    for (unsigned i = 0; i < 32; ++i) resume(emulated::machine.backwards ? 31 - i : i);
    warp.meetings += 1;
    for (const Lane& lane : warp.lanes) {
      if (lane.gone != warp.lanes[0].gone) fail("a thread of a warp is gone where others meet");
      if (!lane.gone && std::string(lane.waits_for) != warp.lanes[0].waits_for)
        fail(std::string("threads of a warp meet in ") + lane.waits_for + " and in " +
             warp.lanes[0].waits_for);
    }
  } while (!warp.lanes[0].gone);
}

}  // namespace

const std::uint64_t* emulated_meeting(const char* what, std::uint64_t given) {
  if (warp.now == nullptr) fail(std::string(what) + " in a kernel that was not started for warps");
  Lane& lane = *warp.now;
  auto& all = warp.given[warp.meetings % 2];
  all[threadIdx.x % 32] = given;
  lane.waits_for = what;
  MOE_SWITCH_STACK(&lane.saved, warp.scheduler_bottom, warp.scheduler_size);
  swapcontext(&lane.context, &warp.scheduler);
  MOE_SWITCHED_STACK(lane.saved, nullptr, nullptr);
  return all.data();
}

void emulated::launch(cudaStream_t stream, unsigned blocks, unsigned threads, bool meet,
                      std::function<void()> thread) {
  if (blocks == 0 || threads == 0 || threads > 1024 || threads % 32 != 0)
    fail("a launch of no or too many threads");
  enqueue(stream, [=, thread = std::move(thread)] {
    gridDim.x = blocks, blockDim.x = threads;
    const auto nth = [](unsigned i, unsigned n) { return machine.backwards ? n - 1 - i : i; };
    for (unsigned b = 0; b < blocks; ++b) {
      blockIdx.x = nth(b, blocks);
      for (unsigned i = 0; meet && i < threads / 32; ++i) run_warp(32 * nth(i, threads / 32), thread);
      for (unsigned i = 0; !meet && i < threads; ++i) {
        threadIdx.x = nth(i, threads);
        thread();
      }
    }
  });
}
