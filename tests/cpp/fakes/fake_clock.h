// A clock that moves only when a test or the fake runner moves it, so that no test waits for
// time and every measured span is known.
// Thread rule: any thread.
#pragma once

#include "base/clock.h"

#include <atomic>
#include <cstdint>

namespace llamabox {

class FakeClock final : public Clock {
public:
  std::int64_t now_ns() const override { return now_ns_; }
  void advance_ms(double ms) { now_ns_ += static_cast<std::int64_t>(ms * 1e6); }

private:
  std::atomic<std::int64_t> now_ns_{1};
};

} // namespace llamabox
