#include "engine/step_cost.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace llamabox {
namespace {

// What the past counts for when a step is added: the last 50 or so matter.
constexpr double kMemory = 0.97;

// Passes over the parts when their costs are found; the last solution is the start of the next.
constexpr int kNPasses = 24;

// Cells are counted in thousands, so that no part is much larger than the others.
constexpr double kCells = 1024;

// The parts, in the order in which they take what is unexplained: while little is known, time is
// put down to rows and not to the step itself.
constexpr std::size_t kPrefillRow = 0;
constexpr std::size_t kDecodeRow = 1;
constexpr std::size_t kCell = 2;
constexpr std::size_t kStep = 3;

constexpr double kLeastTargetMs = 50;
constexpr double kMostTargetMs = 1000;
constexpr double kDecodesInTarget = 6;

} // namespace

double PrefillBudget::rows_within(Pos n_past) const {
  if (ms <= 0) {
    return 0;
  }
  // r rows cost r * first + ms_per_cell * r^2 / 2, since each row sees those before it.
  const double first = ms_per_row + ms_per_cell * n_past;
  const double root = std::sqrt(first * first + 2 * ms_per_cell * ms);
  return 2 * ms / (first + root);
}

void PrefillBudget::spend(std::int32_t n_rows, Pos n_past) {
  ms -= n_rows * (ms_per_row + ms_per_cell * (n_past + n_rows / 2.0));
}

StepCost::Parts StepCost::parts_of(const StepLoad &load) {
  Parts parts{};
  parts[kPrefillRow] = load.n_prefill_rows;
  parts[kDecodeRow] = load.n_decode_rows;
  parts[kCell] = static_cast<double>(load.n_seen) / kCells;
  parts[kStep] = 1;
  return parts;
}

// Least squares of relative errors: a step ten times as long is not a hundred times as important.
void StepCost::observe(const StepLoad &load, double ms) {
  if (ms <= 0) {
    return;
  }
  const Parts parts = parts_of(load);
  for (std::size_t i = 0; i < kNParts; ++i) {
    for (std::size_t j = 0; j < kNParts; ++j) {
      products_[i][j] = kMemory * products_[i][j] + parts[i] / ms * (parts[j] / ms);
    }
    sums_[i] = kMemory * sums_[i] + parts[i] / ms;
  }
  solve();
}

// Each part in turn takes what the others leave unexplained, never less than nothing.
void StepCost::solve() {
  for (int pass = 0; pass < kNPasses; ++pass) {
    for (std::size_t i = 0; i < kNParts; ++i) {
      if (products_[i][i] <= 0) {
        continue;
      }
      double rest = sums_[i];
      for (std::size_t j = 0; j < kNParts; ++j) {
        rest -= j == i ? 0 : products_[i][j] * ms_[j];
      }
      ms_[i] = std::max(0.0, rest / products_[i][i]);
    }
  }
}

double StepCost::ms_of(const StepLoad &load) const {
  const Parts parts = parts_of(load);
  double ms = 0;
  for (std::size_t i = 0; i < kNParts; ++i) {
    ms += parts[i] * ms_[i];
  }
  return ms;
}

PrefillBudget StepCost::prefill_within(double target_ms, const StepLoad &load) const {
  return {target_ms - ms_of(load), ms_[kPrefillRow], ms_[kCell] / kCells};
}

double itl_target_ms(std::optional<double> wanted_ms, double decode_ms) {
  return wanted_ms.value_or(
      std::clamp(kDecodesInTarget * decode_ms, kLeastTargetMs, kMostTargetMs));
}

} // namespace llamabox
