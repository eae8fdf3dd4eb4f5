#include "engine/admission.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace llamabox {
namespace {

// Cells kept free for each running sequence to grow into. Without them a sequence that was just
// preempted would come back at once and be preempted again.
constexpr std::int32_t kGrowthCells = 16;

} // namespace

std::vector<Sequence *> Admission::admit() {
  std::vector<Sequence *> admitted;
  for (auto it = queue_.begin(); it != queue_.end();) {
    const std::vector<SeqId> free = slots_.free_slots();
    if (free.empty()) {
      break;
    }
    Sequence &next = **it;
    if (waits_for_sibling(next)) {
      ++it;
      continue;
    }
    // The last token is run again even when all of it is held: its logits are needed.
    const auto wanted = next.keys_at(0, next.n_tokens() - 1);
    const PrefixMatch match = cache_prompt_ || has_sibling(next)
                                  ? cache_.best_match(wanted, next.class_key, free)
                                  : PrefixMatch{};
    const std::int32_t slot = choose_slot(match, free);
    const Pos n_past = cache_.take_over(slot, match, next.class_key);
    if (!make_room(next, slot)) {
      break; // the eldest waits; letting others pass would starve it
    }
    const auto taken = it++;
    Sequence &bound = slots_.bind(slot, queue_.take(taken));
    bound.n_past = n_past;
    bound.phase = Phase::kPrefill;
    bound.n_skipped = 0;
    admitted.push_back(&bound);
  }
  return admitted;
}

bool Admission::has_sibling(const Sequence &sequence) const {
  return std::ranges::any_of(slots_.bound(), [&](const Sequence *running) {
    return running->request == sequence.request;
  });
}

bool Admission::waits_for_sibling(const Sequence &sequence) const {
  // Choices of one request share their prompt: the first prefills it, the others take it over.
  for (const Sequence *running : slots_.bound()) {
    if (running->request == sequence.request && running->phase == Phase::kPrefill) {
      return true;
    }
  }
  return false;
}

std::int32_t Admission::choose_slot(const PrefixMatch &match,
                                    const std::vector<SeqId> &free) const {
  const bool match_is_free = std::ranges::find(free, match.seq) != free.end();
  const bool keeps_most = match_is_free && match.n * 2 >= cache_.length(match.seq);
  if (match_is_free && (keeps_most || !cache_.traits().can_share)) {
    return match.seq;
  }
  // Another free slot than the match, so that what the match holds beyond stays reusable.
  return *std::ranges::min_element(free, {}, [&](SeqId seq) {
    return std::pair(seq == match.seq, cache_.length(seq) == 0 ? 0 : cache_.last_used(seq));
  });
}

bool Admission::make_room(const Sequence &sequence, SeqId slot) {
  std::int32_t n_needed = sequence.n_tokens() - cache_.length(slot);
  const std::vector<Sequence *> running = slots_.bound();
  for (const Sequence *other : running) {
    n_needed += other->n_left() + kGrowthCells; // what it was admitted for and has not taken yet
  }
  n_needed += running.empty() ? 0 : kGrowthCells;
  while (cache_.n_used() + n_needed > cache_.traits().n_cells) {
    const SeqId victim = least_recent_retained(slot);
    if (victim < 0) {
      return false;
    }
    cache_.trim(victim, 0);
  }
  return true;
}

SeqId Admission::least_recent_retained(SeqId except) const {
  SeqId victim = -1;
  for (const SeqId seq : slots_.free_slots()) {
    const bool frees = seq != except && cache_.n_freed_by_drop(seq) > 0;
    if (frees && (victim < 0 || cache_.last_used(seq) < cache_.last_used(victim))) {
      victim = seq;
    }
  }
  return victim;
}

bool Admission::evict_retained() {
  const SeqId victim = least_recent_retained(-1);
  if (victim >= 0) {
    cache_.trim(victim, 0);
  }
  return victim >= 0;
}

std::optional<Pos> Admission::preempt_youngest() {
  const std::vector<Sequence *> running = slots_.bound();
  if (running.size() < 2) {
    return std::nullopt;
  }
  const Sequence *youngest = *std::ranges::min_element(running, {}, [](const Sequence *sequence) {
    return std::pair(sequence->priority, ~sequence->order);
  });
  const std::int32_t slot = youngest->slot;
  std::unique_ptr<Sequence> sequence = slots_.release(slot);
  cache_.trim(slot, 0);
  sequence->phase = Phase::kWaiting;
  const Pos n_lost = std::exchange(sequence->n_past, 0);
  queue_.insert(std::move(sequence));
  return n_lost;
}

} // namespace llamabox
