// What this thread has really computed: on a machine with other work the time of day says little.
// Thread rule: any thread. Guarantee: never less than in the call before.
// Covered by the short run of the simulator in ctest.
#pragma once

#include <cstdint>
#include <ctime>

namespace llamabox::sim {

inline std::int64_t cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

} // namespace llamabox::sim
