// Time as a collaborator, so that tests advance it by hand. All times inside are nanoseconds of a
// monotonic clock without a meaningful zero.
// Thread rule: any thread. Covered by the planner and scheduler tests through FakeClock.
#pragma once

#include <chrono>
#include <cstdint>

namespace llamabox {

class Clock {
public:
  virtual ~Clock() = default;
  virtual std::int64_t now_ns() const = 0;
};

class SteadyClock final : public Clock {
public:
  std::int64_t now_ns() const override {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  }
};

inline double ms_between(std::int64_t from_ns, std::int64_t to_ns) {
  return static_cast<double>(to_ns - from_ns) / 1e6;
}

} // namespace llamabox
