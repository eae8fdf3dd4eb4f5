// What steps of a model cost, learnt from those that ran, in two ways that complete each other:
// parts that are true of every step (one for the step itself, for each decoding row, each prefill
// row, and each cell that rows look back at) foresee what never ran; a table of steps that only
// decode, by their number of rows, knows where a further row costs next to nothing and where much.
// Thread rule: values; engine thread. Guarantee: no part is negative; recent steps count most, and
// an outlier counts little.
// Covered by step_cost_test.
#pragma once

#include "base/types.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace llamabox {

// What of a step its time depends on.
struct StepLoad {
  std::int32_t n_decode_rows = 0;
  std::int32_t n_prefill_rows = 0;
  std::int64_t n_seen = 0; // cells that its rows look back at, each row's own past
};

// The time that a step may still spend on prefill rows.
struct PrefillBudget {
  double ms = 0;
  double ms_per_row = 0; // 0, and so the next: not known yet
  double ms_per_cell = 0;

  bool is_known() const { return ms_per_row > 0 || ms_per_cell > 0; }
  // Rows of a prefill that has n_past tokens behind it; less than 1 where there is no time left.
  double rows_within(Pos n_past) const;
  void spend(std::int32_t n_rows, Pos n_past);
};

class StepCost {
public:
  void observe(const StepLoad &load, double ms);

  // Of a step, by its parts; 0 while nothing is known.
  double ms_of(const StepLoad &load) const;

  // Of a step that only decodes so many rows: on a straight line between numbers that were seen;
  // above them it is guessed too low rather than too high, so that it is tried. 0 while no such
  // step was seen.
  double decode_ms(double n_rows) const;

  // Whether such a number of rows was seen among the last n_runs steps that only decoded.
  bool knows_decode(std::int32_t n_rows, std::uint64_t n_runs) const;

  // What is left for prefill rows of a step of `target_ms` beside the decoding rows of `load`.
  PrefillBudget prefill_within(double target_ms, const StepLoad &load) const;

private:
  static constexpr std::size_t kNParts = 4; // prefill rows, decode rows, cells, the step itself
  using Parts = std::array<double, kNParts>;

  // Numbers of rows that are near each other share one.
  struct Bucket {
    std::int32_t index = 0;
    double rows = 0; // mean of those seen
    double ms = 0;
    std::int32_t n_seen = 0;
    std::uint64_t last_run = 0;
  };

  static Parts parts_of(const StepLoad &load);
  static std::int32_t index_of(std::int32_t n_rows);
  void solve();
  void observe_decode(std::int32_t n_rows, double ms);
  void follow_drift(const Bucket &seen, double ratio);

  std::array<Parts, kNParts> products_{}; // of parts with each other, in weighted sums
  Parts sums_{};                          // of parts, likewise
  Parts ms_{};                            // of one of each part
  std::vector<Bucket> buckets_;           // ascending
  std::uint64_t n_runs_ = 0;              // steps that only decoded
};

} // namespace llamabox
