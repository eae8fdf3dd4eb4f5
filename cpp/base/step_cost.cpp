#include "base/step_cost.h"

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

constexpr std::int32_t kExact = 16;    // numbers of rows up to this are not mixed
constexpr std::int32_t kFirst = 20;    // observations that count alike; later ones are averaged in
constexpr double kWeight = 0.05;       // of a later observation
constexpr double kMost = 2;            // times the mean that one observation can count as
constexpr double kDrift = 0.05;        // how much of a change others are assumed to share
constexpr double kGuessedSlope = 0.05; // of a row's mean cost, for numbers never seen
constexpr double kLeastIntercept = 0.25; // of the smallest seen cost, for fewer rows

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
  if (load.n_prefill_rows == 0 && load.n_decode_rows > 0) {
    observe_decode(load.n_decode_rows, ms);
  }
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

std::int32_t StepCost::index_of(std::int32_t n_rows) {
  if (n_rows <= kExact) {
    return n_rows;
  }
  // Four in each doubling.
  return kExact + static_cast<std::int32_t>(4 * std::log2(static_cast<double>(n_rows) / kExact));
}

void StepCost::observe_decode(std::int32_t n_rows, double ms) {
  ++n_runs_;
  const double expected = decode_ms(n_rows);
  const std::int32_t index = index_of(n_rows);
  auto at = std::ranges::lower_bound(buckets_, index, {}, &Bucket::index);
  if (at == buckets_.end() || at->index != index) {
    at = buckets_.insert(at, Bucket{.index = index});
  }
  Bucket &bucket = *at;
  bucket.last_run = n_runs_;
  ++bucket.n_seen;
  if (bucket.n_seen == 1) {
    bucket.rows = n_rows;
    bucket.ms = ms;
    return;
  }
  const double weight = bucket.n_seen <= kFirst ? 1.0 / bucket.n_seen : kWeight;
  // A stall of the machine says little about rows.
  const double seen = bucket.n_seen > 2 ? std::min(ms, kMost * bucket.ms) : ms;
  bucket.rows += weight * (n_rows - bucket.rows);
  bucket.ms += weight * (seen - bucket.ms);
  if (expected > 0) {
    follow_drift(bucket, ms / expected);
  }
}

// Longer contexts and busier machines make all numbers of rows slower, also those not seen lately.
void StepCost::follow_drift(const Bucket &seen, double ratio) {
  const double factor = 1 + kDrift * (std::clamp(ratio, 1 / kMost, kMost) - 1);
  for (Bucket &bucket : buckets_) {
    if (&bucket != &seen) {
      bucket.ms *= factor;
    }
  }
}

double StepCost::decode_ms(double n_rows) const {
  if (buckets_.empty()) {
    return 0;
  }
  const auto above = std::ranges::lower_bound(buckets_, n_rows, {}, &Bucket::rows);
  if (above == buckets_.begin()) {
    const double share = std::min(1.0, n_rows / above->rows);
    return above->ms * (kLeastIntercept + (1 - kLeastIntercept) * share);
  }
  const Bucket &below = *(above - 1);
  if (above != buckets_.end()) {
    const double part = (n_rows - below.rows) / (above->rows - below.rows);
    return below.ms + part * (above->ms - below.ms);
  }
  double slope = kGuessedSlope * below.ms / below.rows;
  if (buckets_.size() > 1) {
    const Bucket &before = *(above - 2);
    slope = std::max(slope, (below.ms - before.ms) / (below.rows - before.rows));
  }
  return below.ms + slope * (n_rows - below.rows);
}

bool StepCost::knows_decode(std::int32_t n_rows, std::uint64_t n_runs) const {
  const auto at = std::ranges::lower_bound(buckets_, index_of(n_rows), {}, &Bucket::index);
  return at != buckets_.end() && at->index == index_of(n_rows) && n_runs_ - at->last_run < n_runs;
}

PrefillBudget StepCost::prefill_within(double target_ms, const StepLoad &load) const {
  return {target_ms - ms_of(load), ms_[kPrefillRow], ms_[kCell] / kCells};
}

} // namespace llamabox
