// A histogram with fixed upper bounds, as Prometheus exposes them.
// Thread rule: one owner; copies are snapshots. Guarantee: every value is counted once.
// Covered by base_test.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace llamabox {

class Histogram {
public:
  // REQUIRES: bounds ascend.
  explicit Histogram(std::vector<double> bounds)
      : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}

  void observe(double value) {
    const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
    ++counts_[static_cast<std::size_t>(at)];
    sum_ += value;
  }

  const std::vector<double> &bounds() const { return bounds_; }
  // One more than bounds; the last holds what exceeds them all. Not cumulative.
  const std::vector<std::uint64_t> &counts() const { return counts_; }
  double sum() const { return sum_; }

private:
  std::vector<double> bounds_;
  std::vector<std::uint64_t> counts_;
  double sum_ = 0;
};

} // namespace llamabox
