#include "spec/row_cost.h"

#include <algorithm>
#include <cmath>

namespace llamabox {
namespace {

constexpr std::int32_t kExact = 16;    // numbers of rows up to this are not mixed
constexpr std::int32_t kFirst = 5;     // observations that count alike; later ones are averaged in
constexpr double kWeight = 0.2;        // of a later observation
constexpr double kMost = 2;            // times the mean that one observation can count as
constexpr double kDrift = 0.05;        // how much of a change others are assumed to share
constexpr double kGuessedSlope = 0.05; // of a row's mean cost, for numbers never seen
constexpr double kLeastIntercept = 0.25; // of the smallest seen cost, for fewer rows

} // namespace

std::int32_t RowCost::index_of(std::int32_t n_rows) {
  if (n_rows <= kExact) {
    return n_rows;
  }
  // Four in each doubling.
  return kExact + static_cast<std::int32_t>(4 * std::log2(static_cast<double>(n_rows) / kExact));
}

void RowCost::observe(std::int32_t n_rows, double ms) {
  ++n_runs_;
  const double expected = this->ms(n_rows);
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
void RowCost::follow_drift(const Bucket &seen, double ratio) {
  const double factor = 1 + kDrift * (std::clamp(ratio, 1 / kMost, kMost) - 1);
  for (Bucket &bucket : buckets_) {
    if (&bucket != &seen) {
      bucket.ms *= factor;
    }
  }
}

double RowCost::ms(std::int32_t n_rows) const {
  if (buckets_.empty()) {
    return 0;
  }
  const double n = n_rows;
  const auto above = std::ranges::lower_bound(buckets_, n, {}, &Bucket::rows);
  if (above == buckets_.begin()) {
    const double share = std::min(1.0, n / above->rows);
    return above->ms * (kLeastIntercept + (1 - kLeastIntercept) * share);
  }
  const Bucket &below = *(above - 1);
  if (above != buckets_.end()) {
    const double part = (n - below.rows) / (above->rows - below.rows);
    return below.ms + part * (above->ms - below.ms);
  }
  double slope = kGuessedSlope * below.ms / below.rows;
  if (buckets_.size() > 1) {
    const Bucket &before = *(above - 2);
    slope = std::max(slope, (below.ms - before.ms) / (below.rows - before.rows));
  }
  return below.ms + slope * (n - below.rows);
}

bool RowCost::is_known(std::int32_t n_rows, std::uint64_t n_runs) const {
  const auto at = std::ranges::lower_bound(buckets_, index_of(n_rows), {}, &Bucket::index);
  return at != buckets_.end() && at->index == index_of(n_rows) && n_runs_ - at->last_run < n_runs;
}

} // namespace llamabox
