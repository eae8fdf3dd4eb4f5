// What running a number of rows at once costs, learnt from runs. Between numbers that were seen it
// is a straight line; above them it is guessed too low rather than too high, so that it is tried.
// Thread rule: plain value. Covered by draft_length_test.
#pragma once

#include <cstdint>
#include <vector>

namespace llamabox {

class RowCost {
public:
  // REQUIRES: n_rows >= 1.
  void observe(std::int32_t n_rows, double ms);

  // Milliseconds; 0 while nothing was observed.
  double ms(std::int32_t n_rows) const;

  // Whether such a number of rows was seen among the last n_runs runs.
  bool is_known(std::int32_t n_rows, std::uint64_t n_runs) const;

private:
  // Numbers of rows that are near each other share one.
  struct Bucket {
    std::int32_t index = 0;
    double rows = 0; // mean of those seen
    double ms = 0;
    std::int32_t n_seen = 0;
    std::uint64_t last_run = 0;
  };

  static std::int32_t index_of(std::int32_t n_rows);
  void follow_drift(const Bucket &seen, double ratio);

  std::vector<Bucket> buckets_; // ascending
  std::uint64_t n_runs_ = 0;
};

} // namespace llamabox
