// When a request with a limit of tokens per second may have its next token: an even schedule, one
// place an interval apart from the next. What comes late (a busy engine, a slow prompt) is caught
// up with only within kCatchUpNs, so that no stall is followed by a burst.
// Thread rule: plain value; engine thread. Guarantee: over n tokens never more than the limit, but
// for what was caught up with. Covered by pace_test and scheduler_pace_test.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

namespace llamabox {

class Pace {
public:
  static constexpr std::int64_t kCatchUpNs = 100'000'000;

  Pace() = default; // no limit
  // REQUIRES: tokens_per_second >= 0; 0 is no limit.
  explicit Pace(double tokens_per_second)
      : interval_ns_(tokens_per_second > 0 ? to_ns(1e9 / tokens_per_second) : 0) {}

  bool is_limited() const { return interval_ns_ > 0; }

  // The time from which the next token may be computed; 0 when it may be at any time.
  std::int64_t due_ns() const { return due_ns_; }

  // Tokens that may be computed in a step that begins now; drafts are limited by it.
  std::int32_t n_due(std::int64_t now_ns) const {
    if (!is_limited()) {
      return std::numeric_limits<std::int32_t>::max();
    }
    if (now_ns < due_ns_) {
      return 0;
    }
    const std::int64_t n_late = due_ns_ == 0 ? 0 : (now_ns - due_ns_) / interval_ns_;
    return static_cast<std::int32_t>(std::min<std::int64_t>(1 + n_late, 1 << 20));
  }

  // One token was computed.
  void take(std::int64_t now_ns) {
    if (is_limited()) {
      const std::int64_t earliest = now_ns - std::max(interval_ns_, kCatchUpNs);
      due_ns_ = (due_ns_ == 0 ? now_ns : std::max(due_ns_, earliest)) + interval_ns_;
    }
  }

private:
  // An hour between two tokens is as good as for ever.
  static std::int64_t to_ns(double ns) {
    return static_cast<std::int64_t>(std::clamp(ns, 1.0, 3600e9));
  }

  std::int64_t interval_ns_ = 0; // between two tokens; 0: no limit
  std::int64_t due_ns_ = 0;      // 0: no token yet
};

} // namespace llamabox
