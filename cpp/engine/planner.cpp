#include "engine/planner.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace llamabox {
namespace {

// Weight of a new measurement in the running means.
constexpr double kWeight = 0.2;

// Rows of advantage for each step a prefill was passed over: a long prompt waits at most for
// (its length / this) steps of shorter ones.
constexpr std::int32_t kAgeingRows = 64;

double mean(double old_value, double new_value) {
  return old_value == 0 ? new_value : old_value + kWeight * (new_value - old_value);
}

std::int64_t prefill_rank(const Candidate &candidate) {
  return std::int64_t{candidate.n_left} - std::int64_t{kAgeingRows} * candidate.n_skipped;
}

// Whether a chunk that shares its step with nobody may have the next one: streams that were passed
// over in the last step come first.
bool may_run_alone(std::span<const Candidate> candidates) {
  return std::ranges::none_of(candidates,
                              [](const Candidate &c) { return c.decoding && c.n_skipped > 0; });
}

bool comes_before(const Candidate &a, const Candidate &b) {
  const auto rank_a = prefill_rank(a);
  const auto rank_b = prefill_rank(b);
  return rank_a != rank_b ? rank_a < rank_b : a.order < b.order;
}

PlannedRows alone_rows(const Candidate &candidate, std::int32_t n_share) {
  const std::int32_t n_rows = std::min(candidate.n_alone, std::max(n_share, candidate.n_min));
  return {candidate.slot, n_rows, 0, candidate.n_min > 1};
}

} // namespace

void StepCost::observe(std::int32_t n_decode_rows, std::int32_t n_prefill_rows, double ms) {
  if (n_prefill_rows == 0) {
    decode_ms_ = mean(decode_ms_, ms);
    return;
  }
  const double prefill_ms = std::max(0.0, ms - (n_decode_rows > 0 ? decode_ms_ : 0.0));
  ms_per_prefill_row_ = mean(ms_per_prefill_row_, prefill_ms / n_prefill_rows);
}

std::int32_t StepCost::prefill_rows_within(double target_ms) const {
  if (ms_per_prefill_row_ == 0) {
    return kMinPrefillRows * 4; // the first mixed step measures
  }
  const double rows = (target_ms - decode_ms_) / ms_per_prefill_row_;
  return static_cast<std::int32_t>(std::clamp(rows, double{kMinPrefillRows}, 1e6));
}

ClassKey ClassTurn::next(std::span<const Candidate> candidates) {
  const Candidate *longest = nullptr; // waiting, of the other classes
  bool is_present = false;
  for (const Candidate &candidate : candidates) {
    if (candidate.class_key == current_) {
      is_present = true;
      continue;
    }
    const bool longer =
        longest == nullptr || candidate.n_skipped > longest->n_skipped ||
        (candidate.n_skipped == longest->n_skipped && candidate.order < longest->order);
    longest = longer ? &candidate : longest;
  }
  if (longest != nullptr && (!is_present || n_steps_ >= kClassQuantum)) {
    current_ = longest->class_key;
    n_steps_ = 0;
  }
  n_steps_ = std::min(n_steps_ + 1, kClassQuantum);
  return current_;
}

std::int32_t hold_back(std::vector<Candidate> &candidates) {
  const auto is_early = [](const Candidate &candidate) { return !candidate.is_due; };
  return static_cast<std::int32_t>(std::erase_if(candidates, is_early));
}

double step_target_ms(std::span<const Candidate> candidates, double itl_target_ms) {
  const auto n_decodes = std::ranges::count_if(candidates, &Candidate::decoding);
  const auto n_all = static_cast<double>(candidates.size());
  return n_decodes == 0 ? itl_target_ms : itl_target_ms * n_all / static_cast<double>(n_decodes);
}

StepPlan plan_step(std::span<const Candidate> candidates, std::int32_t n_batch,
                   std::int32_t n_prefill_rows) {
  StepPlan plan;
  std::vector<Candidate> prefills;
  std::int32_t n_room = n_batch;
  for (const Candidate &candidate : candidates) {
    if (!candidate.decoding) {
      prefills.push_back(candidate);
    } else if (n_room > 0) {
      plan.decodes.push_back({candidate.slot, 1, candidate.n_draft_max});
      --n_room;
    }
  }
  for (PlannedRows &rows : plan.decodes) {
    rows.n_draft = std::min(rows.n_draft, n_room);
    n_room -= rows.n_draft;
  }
  std::int32_t n_target = plan.decodes.empty() ? n_room : std::max(n_prefill_rows, kMinPrefillRows);
  std::ranges::sort(prefills, comes_before);
  if (!prefills.empty() && prefills.front().n_alone > 0 && may_run_alone(candidates)) {
    const std::int32_t n_share = std::min(plan.decodes.empty() ? n_batch : n_target, n_batch);
    return {{}, {alone_rows(prefills.front(), n_share)}};
  }
  std::erase_if(prefills, [](const Candidate &candidate) { return candidate.n_alone > 0; });
  for (const Candidate &candidate : prefills) {
    // The first may exceed the target by what cannot be split; the batch is never exceeded.
    const bool may_exceed = plan.prefills.empty() && candidate.n_min <= n_room;
    const std::int32_t n_share = may_exceed ? std::max(n_target, candidate.n_min) : n_target;
    const std::int32_t n_rows = std::min({candidate.n_left, n_share, n_room});
    if (n_rows >= candidate.n_min) {
      plan.prefills.push_back({candidate.slot, n_rows, 0});
      n_room -= n_rows;
      n_target -= n_rows;
    }
  }
  return plan;
}

bool shrink(StepPlan &plan) {
  bool shrunk = false;
  for (PlannedRows &rows : plan.decodes) {
    shrunk = shrunk || rows.n_draft > 0;
    rows.n_draft = 0;
  }
  if (shrunk) {
    return true;
  }
  if (plan.prefills.empty()) {
    return false;
  }
  // Beside decodes the last prefill may go altogether; alone, the first keeps at least a row.
  PlannedRows &last = plan.prefills.back();
  if (last.n_rows > 1 && !last.whole) {
    last.n_rows /= 2;
    return true;
  }
  if (plan.decodes.empty() && plan.prefills.size() == 1) {
    return false;
  }
  plan.prefills.pop_back();
  return true;
}

} // namespace llamabox
