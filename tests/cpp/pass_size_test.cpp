#include "engine/pass_size.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <map>

using namespace llamabox;

namespace {

// A device: what a pass costs, each token, and each token for each other one of the pass.
struct Device {
  double pass_ms;
  double token_ms;
  double pair_ms;

  double ms_of(std::int32_t n) const { return pass_ms + token_ms * n + pair_ms * n * n; }
};

// How often each size was used in so many passes.
std::map<std::int32_t, int> run(PassSize &size, const Device &device, int n_passes) {
  std::map<std::int32_t, int> used;
  for (int i = 0; i < n_passes; ++i) {
    const std::int32_t n = size.next();
    ++used[n];
    size.observe(n, device.ms_of(n));
  }
  return used;
}

constexpr Device kCpu{2, 0.2, 0.001};
constexpr Device kGpu{5, 0.001, 0};

} // namespace

TEST_CASE("the quickest size of a pass is found and kept") {
  PassSize cpu(512);
  run(cpu, kCpu, 4);
  CHECK(run(cpu, kCpu, 320)[128] >= 300);
  PassSize gpu(512);
  run(gpu, kGpu, 4);
  CHECK(run(gpu, kGpu, 320)[512] >= 300);
}

TEST_CASE("a device that changes is noticed") {
  PassSize size(512);
  run(size, kCpu, 100);
  run(size, kGpu, 3000);
  CHECK(run(size, kGpu, 320)[512] >= 300);
}

TEST_CASE("passes that were not filled are no evidence") {
  PassSize size(512);
  run(size, kCpu, 4);
  for (int i = 0; i < 100; ++i) {
    size.observe(10, 1000);
    size.observe(300, 1);
  }
  CHECK(run(size, kCpu, 31)[128] >= 29);
}

TEST_CASE("a small context has one size") {
  PassSize size(40);
  CHECK(run(size, kCpu, 100)[40] == 100);
}
