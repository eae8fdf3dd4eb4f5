#include "engine/pace.h"

#include <doctest/doctest.h>

#include <limits>

using namespace llamabox;

namespace {

constexpr std::int64_t kMs = 1'000'000;

} // namespace

TEST_CASE("without a limit every token is due") {
  Pace pace(0);
  pace.take(5 * kMs);
  CHECK(pace.n_due(0) == std::numeric_limits<std::int32_t>::max());
  CHECK(pace.due_ns() == 0);
  CHECK_FALSE(pace.is_limited());
}

TEST_CASE("tokens are due an interval apart, from the first one on") {
  Pace pace(20); // 50 ms
  std::int64_t now_ns = 7 * kMs;
  CHECK(pace.n_due(now_ns) == 1);
  pace.take(now_ns);
  for (int i = 1; i <= 100; ++i) {
    const std::int64_t due_ns = 7 * kMs + i * 50 * kMs;
    CHECK(pace.due_ns() == due_ns);
    CHECK(pace.n_due(due_ns - 1) == 0);
    CHECK(pace.n_due(due_ns) == 1);
    pace.take(due_ns + 11 * kMs); // a step's length later: the schedule does not slip
  }
}

TEST_CASE("a stall is caught up with within a tenth of a second, or one interval") {
  Pace fast(100); // 10 ms
  fast.take(kMs);
  fast.take(kMs + 5000 * kMs);
  CHECK(fast.due_ns() == kMs + 5000 * kMs - Pace::kCatchUpNs + 10 * kMs);
  CHECK(fast.n_due(kMs + 5000 * kMs) == 10);
  Pace slow(2); // 500 ms
  slow.take(kMs);
  slow.take(kMs + 5000 * kMs);
  CHECK(slow.due_ns() == kMs + 5000 * kMs);
  CHECK(slow.n_due(kMs + 5000 * kMs) == 1);
}

TEST_CASE("several tokens of a step count one by one") {
  Pace pace(10); // 100 ms
  for (int i = 0; i < 3; ++i) {
    pace.take(kMs);
  }
  CHECK(pace.due_ns() == kMs + 300 * kMs);
}

TEST_CASE("rates beyond what a clock can tell are kept within it") {
  Pace pace(1e300);
  pace.take(kMs);
  CHECK(pace.due_ns() == kMs + 1);
  CHECK(pace.n_due(std::numeric_limits<std::int64_t>::max()) == 1 << 20);
  Pace slow(1e-300);
  slow.take(kMs);
  CHECK(slow.due_ns() == kMs + 3600'000 * kMs);
}
