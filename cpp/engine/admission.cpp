#include "engine/admission.h"

#include <algorithm>
#include <memory>
#include <tuple>
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
    const Takeover takeover = take_prefix(next, free);
    if (!make_room(next, takeover.slot)) {
      break; // the eldest waits; letting others pass would starve it
    }
    const auto taken = it++;
    Sequence &bound = slots_.bind(takeover.slot, queue_.take(taken));
    bound.n_past = takeover.n_past;
    bound.has_moved_cells = takeover.has_moved_cells;
    bound.phase = Phase::kPrefill;
    bound.n_skipped = 0;
    admitted.push_back(&bound);
  }
  return admitted;
}

Takeover Admission::take_prefix(const Sequence &next, std::span<const SeqId> free) {
  const bool is_wanted_free = std::ranges::find(free, next.wanted_slot) != free.end();
  const std::span<const SeqId> seats = is_wanted_free ? std::span(&next.wanted_slot, 1) : free;
  // The last token is run again even when all of it is held: its logits are needed.
  const auto wanted = next.keys_at(0, next.prompt->prefix_end(next.n_tokens() - 1));
  PrefixMatch match;
  if (cache_prompt_ || has_sibling(next)) {
    match = cache_.best_match(wanted, next.class_key, seats);
  }
  if (cache_prompt_ && may_move_cells(next)) {
    const ChunkMatch chunks = cache_.best_chunks(wanted, next.class_key, seats, next.n_cache_reuse);
    if (chunks.n > match.n) {
      return {chunks.seq, cache_.take_chunks(chunks), true};
    }
  }
  const std::int32_t slot = choose_slot(match, seats);
  if (slot != match.seq && !cache_.traits().can_share) {
    match = {};
  }
  return {slot, cache_.take_over(slot, match, next.class_key), false};
}

bool Admission::may_move_cells(const Sequence &sequence) const {
  return sequence.n_cache_reuse > 0 && sequence.n_generated() == 0 && cache_.traits().can_shift &&
         sequence.prompt->media.empty();
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

std::int32_t Admission::choose_slot(const PrefixMatch &match, std::span<const SeqId> free) const {
  const bool match_is_free = std::ranges::find(free, match.seq) != free.end();
  const bool keeps_most = match_is_free && match.n * 2 >= cache_.length(match.seq);
  const bool moves_on = !cache_.traits().can_share && match_is_free && !cache_.is_pinned(match.seq);
  if (keeps_most || moves_on) {
    return match.seq;
  }
  // Another free slot than the match, so that what the match holds beyond stays reusable.
  return *std::ranges::min_element(free, {}, [&](SeqId seq) {
    return std::tuple(cache_.is_pinned(seq), seq == match.seq,
                      cache_.length(seq) == 0 ? 0 : cache_.last_used(seq));
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
    const auto rank = [&](SeqId one) {
      return std::pair(cache_.is_pinned(one), cache_.last_used(one));
    };
    if (frees && (victim < 0 || rank(seq) < rank(victim))) {
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

bool Admission::make_free(std::int32_t n, SeqId kept) {
  std::int32_t n_running = 0;
  for (const Sequence *sequence : slots_.bound()) {
    n_running += cache_.length(sequence->slot); // shared cells counted twice: a safe bound
  }
  const std::int32_t n_cells = cache_.traits().n_cells;
  if (n_running + n > n_cells) {
    return false;
  }
  while (cache_.n_used() - cache_.n_freed_by_drop(kept) + n > n_cells) {
    const SeqId other = least_recent_retained(kept);
    if (other < 0) {
      return false;
    }
    cache_.trim(other, 0);
  }
  return true;
}

bool Admission::make_private(SeqId slot, Pos n) {
  for (const SeqId holder : slots_.free_slots()) {
    if (cache_.n_shared(slot) > n && !cache_.is_pinned(holder)) {
      cache_.make_private(slot, n, holder);
    }
  }
  return cache_.n_shared(slot) <= n;
}

Sequence *Admission::victim() const {
  std::vector<Sequence *> running = slots_.bound();
  if (running.size() < 2) {
    return nullptr;
  }
  const auto precedes = [](const Sequence *a, const Sequence *b) { return a->precedes(*b); };
  running.erase(std::ranges::min_element(running, precedes));
  return *std::ranges::max_element(running, [&](const Sequence *a, const Sequence *b) {
    return can_resume(*a) != can_resume(*b) ? can_resume(*b) : precedes(a, b);
  });
}

Pos Admission::preempt(const Sequence &running) {
  const std::int32_t slot = running.slot;
  std::unique_ptr<Sequence> sequence = slots_.release(slot);
  cache_.trim(slot, 0);
  sequence->phase = Phase::kWaiting;
  const Pos n_lost = std::exchange(sequence->n_past, 0);
  queue_.insert(std::move(sequence));
  return n_lost;
}

} // namespace llamabox
