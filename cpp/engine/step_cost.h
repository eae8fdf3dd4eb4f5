// What steps cost, learnt from those that ran: a part for the step itself, for each decoding row,
// for each prefill row, and for each cell that rows look back at, so that a prompt's later chunks
// and other numbers of streams are foreseen and not only followed.
// Thread rule: values; engine thread. Guarantee: no part is negative; recent steps count most, and
// an outlier counts little.
// Covered by step_cost_test.
#pragma once

#include "base/types.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

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

  // Of a step; 0 while nothing is known.
  double ms_of(const StepLoad &load) const;

  // What is left for prefill rows of a step of `target_ms` beside the decoding rows of `load`.
  PrefillBudget prefill_within(double target_ms, const StepLoad &load) const;

private:
  static constexpr std::size_t kNParts = 4; // prefill rows, decode rows, cells, the step itself
  using Parts = std::array<double, kNParts>;

  static Parts parts_of(const StepLoad &load);
  void solve();

  std::array<Parts, kNParts> products_{}; // of parts with each other, in weighted sums
  Parts sums_{};                          // of parts, likewise
  Parts ms_{};                            // of one of each part
};

// How long a step beside running streams may take: what was asked for, else so long that streams
// keep a sixth of their speed while prompts are read, which then lose a fifth of theirs.
double itl_target_ms(std::optional<double> wanted_ms, double decode_ms);

} // namespace llamabox
