#include "engine/planner.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace llamabox {
namespace {

// Rows of advantage for each step a prefill was passed over: a long prompt waits at most for
// (its length / this) steps of shorter ones.
constexpr std::int32_t kAgeingRows = 64;

// A target that nobody asked for: so many times the decodes alone, within bounds.
struct DefaultTarget {
  double n_decodes, least_ms, most_ms;
};
constexpr DefaultTarget kBesideText{6, 50, 1000};
constexpr DefaultTarget kBesideMedia{1.5, 25, 500};

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

// A chunk that shares its step with nobody, of about `n_share` rows where it can be split.
PlannedRows lone_chunk(const Candidate &candidate, std::int32_t n_share) {
  const std::int32_t n_rows = std::min(candidate.n_alone, std::max(n_share, candidate.n_min));
  return {candidate.slot, n_rows, 0, candidate.n_min > 1};
}

// Rows of a step without decodes.
std::int32_t alone_rows(const StepRoom &room, const Candidate &first) {
  const double within =
      room.budget.is_known() ? room.budget.rows_within(first.n_past) : room.n_ubatch;
  const auto n_within = static_cast<std::int32_t>(std::min<double>(within, room.n_batch));
  const std::int32_t n_rows =
      n_within >= room.n_ubatch
          ? n_within / room.n_ubatch * room.n_ubatch
          : std::max(n_within / kTileRows * kTileRows, std::min(kLeastAloneRows, room.n_ubatch));
  return std::min(room.n_batch, std::max(n_rows, first.n_min));
}

// Is most of what a row of this prefill costs due to its past?
bool has_dear_past(const PrefillBudget &budget, const Candidate &candidate) {
  return budget.ms_per_cell * candidate.n_past > budget.ms_per_row;
}

// Rows of all prefills beside n_taken rows of decodes, where the first has a dear past: what would
// begin a tile without filling half of it is left out, and a tile that takes a little longer than
// the target is filled.
std::int32_t fill_tiles(PrefillBudget &budget, double tile_ms, const Candidate &first,
                        std::int32_t n_taken) {
  const auto n_within = static_cast<std::int32_t>(std::min(budget.rows_within(first.n_past), 1e6));
  const std::int32_t n_over = (n_within + n_taken) % kTileRows;
  if (n_within + n_taken >= kTileRows) {
    return std::max(
        {n_over < kTileRows / 2 ? n_within - n_over : n_within, kMinPrefillRows, first.n_min});
  }
  PrefillBudget stretched = budget;
  stretched.ms = tile_ms;
  if (stretched.rows_within(first.n_past) >= kTileRows - n_taken) {
    budget = stretched;
    return std::max(kTileRows - n_taken, first.n_min);
  }
  return std::max({n_within, kMinPrefillRows, first.n_min});
}

// Rows of the next prefill beside decodes. The first may exceed the budget by what it cannot do
// without.
std::int32_t share_beside_decodes(const PrefillBudget &budget, const Candidate &candidate,
                                  bool is_first) {
  const double within = std::min(budget.rows_within(candidate.n_past), 1e6);
  const auto n_rows = static_cast<std::int32_t>(within);
  return is_first ? std::max({n_rows, kMinPrefillRows, candidate.n_min}) : n_rows;
}

// Rows with logits beyond one for each sequence, which scored prompts share; beside streams drafts
// have the other half.
std::int32_t n_score_rows(std::span<const Candidate> candidates, const StepRoom &room) {
  const std::int64_t n_spare = room.n_outputs - std::ssize(candidates);
  const bool is_alone = std::ranges::none_of(candidates, &Candidate::decoding);
  return static_cast<std::int32_t>(std::max<std::int64_t>(0, is_alone ? n_spare : n_spare / 2));
}

} // namespace

ClassKey ClassTurn::next(std::span<const Candidate> candidates, std::int64_t now_ns) {
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
  const bool is_over = n_steps_ >= kClassQuantum || now_ns - began_ns_ >= kClassQuantumNs;
  if (longest != nullptr && (!is_present || is_over)) {
    current_ = longest->class_key;
    n_steps_ = 0;
    began_ns_ = now_ns;
  }
  n_steps_ = std::min(n_steps_ + 1, kClassQuantum);
  return current_;
}

std::int32_t hold_back(std::vector<Candidate> &candidates) {
  const auto is_early = [](const Candidate &candidate) { return !candidate.is_due; };
  return static_cast<std::int32_t>(std::erase_if(candidates, is_early));
}

StepLoad decode_load(std::span<const Candidate> candidates, ClassKey class_key) {
  StepLoad load;
  for (const Candidate &candidate : candidates) {
    if (candidate.decoding && candidate.class_key == class_key) {
      ++load.n_decode_rows;
      load.n_seen += candidate.n_past;
    }
  }
  return load;
}

double itl_target_ms(std::optional<double> wanted_ms, std::span<const Candidate> candidates,
                     double decode_ms) {
  const auto reads_text = [](const Candidate &c) { return !c.decoding && !c.has_media; };
  const DefaultTarget &beside =
      std::ranges::any_of(candidates, reads_text) ? kBesideText : kBesideMedia;
  return wanted_ms.value_or(
      std::clamp(beside.n_decodes * decode_ms, beside.least_ms, beside.most_ms));
}

double step_target_ms(std::span<const Candidate> candidates, double itl_target_ms) {
  const auto n_decodes = std::ranges::count_if(candidates, &Candidate::decoding);
  const auto n_all = static_cast<double>(candidates.size());
  return n_decodes == 0 ? kAloneMs : itl_target_ms * n_all / static_cast<double>(n_decodes);
}

StepPlan plan_step(std::span<const Candidate> candidates, const StepRoom &room) {
  StepPlan plan;
  plan.decodes.reserve(candidates.size());
  std::vector<Candidate> prefills;
  std::int32_t n_room = room.n_batch;
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
  std::ranges::sort(prefills, comes_before);
  const bool is_alone = plan.decodes.empty();
  if (is_alone && !prefills.empty()) {
    n_room = alone_rows(room, prefills.front());
  }
  PrefillBudget budget =
      room.budget.is_known() ? room.budget : PrefillBudget{double{kFirstPrefillRows}, 1, 0};
  if (!prefills.empty() && prefills.front().n_alone > 0 && may_run_alone(candidates)) {
    const std::int32_t n_share =
        is_alone ? n_room : share_beside_decodes(budget, prefills.front(), true);
    return {{}, {lone_chunk(prefills.front(), std::min(n_share, room.n_batch))}};
  }
  std::erase_if(prefills, [](const Candidate &candidate) { return candidate.n_alone > 0; });
  if (!is_alone && !prefills.empty() && has_dear_past(budget, prefills.front())) {
    const std::int32_t n_taken = room.n_batch - n_room;
    n_room = std::min(n_room, fill_tiles(budget, room.tile_ms, prefills.front(), n_taken));
  }
  std::int32_t n_scored = n_score_rows(candidates, room);
  for (const Candidate &candidate : prefills) {
    const bool is_first = plan.prefills.empty();
    const std::int32_t n_share =
        is_alone ? n_room : share_beside_decodes(budget, candidate, is_first);
    const std::int32_t n_most = candidate.is_scoring ? n_scored + 1 : n_room;
    const std::int32_t n_rows = std::min({candidate.n_left, n_share, n_room, n_most});
    if (n_rows > 0 && n_rows >= candidate.n_min) {
      const std::int32_t n_outputs = candidate.is_scoring ? n_rows : 1;
      plan.prefills.push_back({candidate.slot, n_rows, 0, false, n_outputs});
      n_scored -= n_outputs - 1;
      n_room -= n_rows;
      budget.spend(n_rows, candidate.n_past);
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
