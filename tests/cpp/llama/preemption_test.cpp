// Memory for half of the requests: sequences give way and come back. Every row of logits is that of
// the undisturbed run up to rounding. That samplers stay where they were: scheduler_parking_test.
#include "trails.h"

using namespace llamabox;

namespace {

constexpr std::int32_t kRequests = 8;
constexpr std::int32_t kNewTokens = 96;
constexpr std::int32_t kCells = 512;

std::vector<std::string> prompts() {
  const std::vector<std::string> questions{"Tell me a story.", "Count to ten.", "Who are you?"};
  std::vector<std::string> all;
  for (std::size_t i = 0; i < kRequests; ++i) {
    all.push_back("<|im_start|>user\nNumber " + std::to_string(i * 7) + ". " + questions[i % 3] +
                  " And then say more about it, please.<|im_end|>\n<|im_start|>assistant\n");
  }
  return all;
}

} // namespace

TEST_CASE("preempted equals undisturbed on every kind of memory that can run out") {
  for (const char *model : {"demo", "moe", "swa", "gemma3", "hybrid"}) {
    CAPTURE(model);
    TrailRig alone(exact_params(model, 1, kCells));
    const Trails expected = alone.run(prompts(), kNewTokens);
    CHECK(alone.stats().n_preempted == 0);
    for (const std::uint64_t n_ram : {std::uint64_t{0}, std::uint64_t{1} << 26U}) {
      CAPTURE(n_ram);
      TrailRig rig(exact_params(model, kRequests, kCells), n_ram);
      rig.check_same(expected, rig.run(prompts(), kNewTokens, expected));
      CHECK(rig.stats().n_preempted >= 3);
    }
  }
}
