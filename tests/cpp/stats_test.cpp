#include "rig.h"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <numeric>

using namespace llamabox;

namespace {

std::uint64_t n_of(const Histogram &histogram) {
  return std::accumulate(histogram.counts().begin(), histogram.counts().end(), std::uint64_t{0});
}

} // namespace

TEST_CASE("the histograms count each token, choice and request once") {
  Rig rig;
  rig.generate("hello", 20);
  rig.generate("hello again", 5, 2);
  rig.run_until_idle();
  const Stats &stats = rig.scheduler().stats();
  CHECK(stats.n_generated_tokens == 30);
  CHECK(n_of(stats.ttft_ms) == 2);
  CHECK(n_of(stats.queue_ms) == 2);
  CHECK(n_of(stats.e2e_ms) == 2);
  CHECK(n_of(stats.prompt_tokens) == 2);
  CHECK(stats.prompt_tokens.sum() == 16);
  CHECK(n_of(stats.output_tokens) == 3);
  CHECK(stats.output_tokens.sum() == 30);
  CHECK(n_of(stats.itl_ms) == 27); // the first token of a choice follows none
  CHECK(stats.n_looked_up_tokens == 27);
  CHECK(stats.n_cached_tokens + stats.n_prompt_tokens == stats.n_looked_up_tokens);
}

TEST_CASE("a cancelled request has no time from end to end") {
  Rig rig;
  const RequestId id = rig.generate("hello", 20);
  rig.step();
  rig.step();
  rig.cancel(id);
  rig.run_until_idle();
  CHECK(n_of(rig.scheduler().stats().ttft_ms) == 1);
  CHECK(n_of(rig.scheduler().stats().e2e_ms) == 0);
}

TEST_CASE("each slot says what it does and, when free, what it retains") {
  Rig rig;
  CHECK(rig.scheduler().stats().slots.size() ==
        static_cast<std::size_t>(FakeModelParams{}.n_slots));
  const RequestId id = rig.generate("hello", 3);
  rig.step();
  const SlotStats busy = rig.scheduler().stats().slots.at(0);
  CHECK(busy.request == id);
  CHECK(busy.decoding);
  CHECK(busy.n_prompt == 5);
  CHECK(busy.n_generated == 1);
  CHECK(busy.n_held == 5);
  rig.run_until_idle();
  const SlotStats free = rig.scheduler().stats().slots.at(0);
  CHECK(free.request == 0);
  CHECK(free.n_prompt == 0);
  CHECK(free.n_held == 7); // the last token is never run
}
