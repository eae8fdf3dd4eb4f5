#include "spec/draft_length.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace llamabox {
namespace {

// A gain below this may be an error of measurement: the best of several estimates is one of those
// that err upwards.
constexpr double kLeastGain = 1.04;

// Tokens that are less likely to be accepted than this are not drafted. One of these thresholds is
// near the best: for a common price of a row, the best set is what lies above some threshold.
constexpr std::array<double, 14> kThresholds = {0.98, 0.95, 0.9, 0.85, 0.8, 0.7,  0.6,
                                                0.5,  0.4,  0.3, 0.2,  0.1, 0.05, 0.02};

struct Choice {
  std::vector<std::int32_t> lengths;
  double n_expected = 0; // tokens of all sequences
  double n_rows = 0;     // of drafts, as many as will be offered
  std::int32_t n_drafted = 0;
};

std::int32_t length_above(const LengthCandidate &candidate, double threshold) {
  std::int32_t n = 0;
  double chance = candidate.first;
  while (n < candidate.n_max && chance >= threshold) {
    ++n;
    chance *= candidate.later;
  }
  return n;
}

// first + first * factor + ..., n terms.
double series(double first, double factor, std::int32_t n) {
  double sum = 0;
  for (std::int32_t i = 0; i < n; ++i) {
    sum += first;
    first *= factor;
  }
  return sum;
}

Choice choose_above(std::span<const LengthCandidate> candidates, const StepShape &shape,
                    double threshold) {
  Choice choice;
  choice.n_expected = shape.n_decodes;
  std::int32_t n_room = shape.n_room;
  for (const LengthCandidate &candidate : candidates) {
    std::int32_t n = length_above(candidate, threshold);
    n = n > 0 ? std::max(n, std::min(candidate.n_min, candidate.n_max)) : 0;
    n = n <= n_room && n >= candidate.n_min ? n : std::min(n, n_room);
    n = n >= candidate.n_min ? n : 0;
    n_room -= n;
    choice.n_drafted += n;
    choice.n_expected += series(candidate.first, candidate.later, n);
    choice.n_rows += series(candidate.offered, candidate.offered, n);
    choice.lengths.push_back(n);
  }
  return choice;
}

// A run for each place in the longest draft, with the sequences that are not through.
double drafter_ms(std::span<const LengthCandidate> candidates,
                  std::span<const std::int32_t> lengths, const StepCost &drafter) {
  double ms = 0;
  std::vector<double> n_rows; // of each run
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const LengthCandidate &candidate = candidates[i];
    ms += lengths[i] > 0 ? candidate.extra_ms : 0;
    if (!candidate.runs_drafter) {
      continue;
    }
    const auto n = static_cast<std::size_t>(lengths[i]);
    n_rows.resize(std::max(n_rows.size(), n));
    double chance = 1;
    for (std::size_t run = 0; run < n; ++run) {
      n_rows[run] += chance;
      chance *= candidate.offered;
    }
  }
  for (const double n : n_rows) {
    // A run of less than one row is one that is not always made.
    ms += std::min(n, 1.0) * drafter.decode_ms(std::max(n, 1.0));
  }
  return ms;
}

} // namespace

std::vector<std::int32_t> choose_lengths(std::span<const LengthCandidate> candidates,
                                         const StepShape &shape, const DraftCosts &costs) {
  std::vector<std::int32_t> best(candidates.size(), 0);
  const double plain_ms = costs.target.decode_ms(shape.n_decodes);
  if (plain_ms <= 0) {
    return best;
  }
  double best_rate = kLeastGain * shape.n_decodes / plain_ms;
  std::int32_t n_last = 0;
  for (const double threshold : kThresholds) {
    Choice choice = choose_above(candidates, shape, threshold);
    if (choice.n_drafted == n_last) {
      continue; // the same as for the threshold before
    }
    n_last = choice.n_drafted;
    const double ms = costs.target.decode_ms(shape.n_decodes + choice.n_rows) +
                      drafter_ms(candidates, choice.lengths, costs.drafter);
    const double rate = choice.n_expected / ms;
    if (rate > best_rate) {
      best_rate = rate;
      best = std::move(choice.lengths);
    }
  }
  return best;
}

std::vector<std::int32_t> longest_lengths(std::span<const LengthCandidate> candidates,
                                          const StepShape &shape) {
  return choose_above(candidates, shape, 0).lengths;
}

} // namespace llamabox
