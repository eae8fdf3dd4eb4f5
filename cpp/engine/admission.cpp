#include "engine/admission.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <tuple>
#include <utility>

namespace llamabox {
namespace {

// Cells kept free for each running sequence to grow into. Without them a sequence that was just
// preempted would come back at once and be preempted again.
constexpr std::int32_t kGrowthCells = 16;

// What of its tokens a prefix may be. The last one is run again even when all of them are held: its
// logits are needed; those of a prompt that is scored are needed from the first on.
std::span<const std::int64_t> wanted_keys(const Sequence &sequence) {
  return sequence.keys_at(0, sequence.prompt->prefix_end(sequence.n_reusable()));
}

// To wait for fewer tokens takes longer than to run them.
constexpr Pos kMinJoined = 16;

} // namespace

std::vector<Sequence *> Admission::admit() {
  std::vector<Sequence *> admitted;
  for (auto it = queue_.begin(); it != queue_.end();) {
    const std::vector<std::int32_t> free = slots_.free_slots();
    if (free.empty()) {
      break;
    }
    Sequence &next = **it;
    if (cache_.is_underway(next.awaited)) {
      ++it;
      continue;
    }
    const Takeover found = look_up(next);
    // Where ids do not share, what is parked is as good as what another one reads.
    const bool shares = cache_.traits().can_share;
    if (waits_for_prefill(next, shares ? found.n() : std::max(found.n(), found.parked.n))) {
      ++it;
      continue;
    }
    const std::int32_t n_new = n_needed(next, found.n());
    const std::int32_t n_cells = cache_.traits().n_cells;
    if (cache_.n_used_by_bound({found.seq(), found.n()}) + n_new > n_cells) {
      break; // the eldest waits; letting others pass would starve it
    }
    const std::int32_t slot = choose_slot(next, found.seq(), free);
    const auto taken = it++;
    admitted.push_back(&bind(queue_.take(taken), found, slot));
    // A parked piece comes back whole, though the prompt may have no more than its beginning.
    const std::int32_t n_room = std::max(n_new, n_tokens_of(found.parked.pieces) - found.n());
    // Some more, so that its first tokens find cells: beside streams nothing is parked in time.
    while (cache_.n_used() + n_room > n_cells &&
           cache_.evict_one(cache_.n_used() + n_room - n_cells + kGrowthCells)) {
    }
  }
  return admitted;
}

// Whoever waits for a prefill is passed over until its tokens are in KV; whoever reads its own
// prompt shares the rows of each step with that prefill. So waiting pays where what it saves is
// more than what the prompt has to do afterwards anyway; where it is less, a prompt would put off
// the larger part of its work for a prefill that may be long and may itself be passed over.
bool Admission::waits_for_prefill(Sequence &next, Pos n_held) const {
  next.awaited = {};
  const Underway prefill = cache_.underway(wanted_keys(next), next.root());
  const Pos n_saved = prefill.n - n_held;
  const bool pays = n_saved >= std::max(kMinJoined, next.n_tokens() - prefill.n);
  if (prefill.seq != kNoSeq && pays && can_take_from(prefill)) {
    next.awaited = prefill;
    next.n_joined = n_saved;
  }
  return next.awaited.seq != kNoSeq;
}

// Where a prefix is to be had only while its holder is just there, the holder stops there.
bool Admission::can_take_from(const Underway &prefill) const {
  if (cache_.traits().can_share && !cache_.needs_states()) {
    return true;
  }
  const auto &bound = slots_.bound();
  const auto leader = std::ranges::find(bound, prefill.seq, &Sequence::seq);
  const bool is_kept = cache_.can_keep_states() && (*leader)->prompt->media.empty();
  if (is_kept) {
    (*leader)->keep_at(prefill.n);
  }
  return is_kept || cache_.traits().can_share;
}

Takeover Admission::look_up(const Sequence &next) const {
  Takeover found;
  found.prefix = cache_.best_match(wanted_keys(next), next.root());
  if (may_move_cells(next)) {
    found.chunks = cache_.best_chunks(wanted_keys(next), next.root(), next.n_cache_reuse);
    if (found.chunks.n <= found.prefix.n) {
      found.chunks = {};
    }
  }
  find_parked(next, found);
  if (cache_.needs_states()) {
    found.n_common = cache_.n_common(wanted_keys(next), next.root());
  }
  return found;
}

// A piece begins where the prefix in KV ends, or replaces the end of it.
void Admission::find_parked(const Sequence &next, Takeover &found) const {
  const ParkedMatch parked = cache_.best_parked(wanted_keys(next), next.root());
  if (parked.n < found.n() + Parking::kMinTokens) {
    return;
  }
  found.parked = parked;
  found.chunks = {};
  Pos n = 0;
  for (const auto &piece : parked.pieces) {
    n = piece->begin <= found.prefix.n ? piece->begin : n;
  }
  const bool is_kept = n > 0 && cache_.traits().can_cut;
  found.prefix = is_kept ? PrefixMatch{found.prefix.seq, n} : PrefixMatch{};
}

Sequence &Admission::bind(std::unique_ptr<Sequence> next, const Takeover &found,
                          std::int32_t slot) {
  Sequence &bound = slots_.bind(slot, std::move(next));
  const Binding binding{bound.root(), slot, bound.keys};
  bound.has_moved_cells = !found.chunks.chunks.empty();
  bound.seq = bound.has_moved_cells ? cache_.bind_chunks(found.chunks, binding)
                                    : cache_.bind(found.prefix, binding);
  if (found.parked.n > 0) {
    cache_.begin_restore(bound.seq, found.parked);
  }
  if (found.n_common >= std::max(found.n(), found.parked.n) + Parking::kMinTokens &&
      bound.prompt->media.empty()) {
    bound.keep_at(found.n_common); // what two prompts begin with, a third one may
  }
  bound.n_past = cache_.length(bound.seq);
  bound.phase = Phase::kPrefill;
  bound.n_skipped = 0;
  return bound;
}

bool Admission::may_move_cells(const Sequence &sequence) const {
  return sequence.n_cache_reuse > 0 && sequence.n_generated() == 0 && cache_.traits().can_shift &&
         sequence.prompt->media.empty();
}

// The wanted one, else where the prefix was left, else where nothing is, else where it is oldest.
std::int32_t Admission::choose_slot(const Sequence &next, SeqId match,
                                    std::span<const std::int32_t> free) const {
  if (std::ranges::find(free, next.wanted_slot) != free.end()) {
    return next.wanted_slot;
  }
  return *std::ranges::min_element(free, {}, [&](std::int32_t slot) {
    const SeqId left = cache_.seq_of(slot);
    const bool is_held = left != kNoSeq;
    return std::tuple(!is_held || left != match, is_held && cache_.is_pinned(left),
                      is_held ? cache_.last_used(left) : 0);
  });
}

std::unique_ptr<Sequence> Admission::release(std::int32_t slot) {
  std::unique_ptr<Sequence> sequence = slots_.release(slot);
  cache_.release(std::exchange(sequence->seq, kNoSeq));
  return sequence;
}

// Cells that it takes itself, and that those who run were admitted for and have not taken yet.
std::int32_t Admission::n_needed(const Sequence &next, Pos n_held) const {
  std::int32_t n = next.n_tokens() - n_held;
  const std::vector<Sequence *> running = slots_.bound();
  for (const Sequence *other : running) {
    n += other->n_left() + kGrowthCells;
  }
  return n + (running.empty() ? 0 : kGrowthCells);
}

bool Admission::make_free(std::int32_t n, SeqId kept) {
  const std::int32_t n_cells = cache_.traits().n_cells;
  const Pos n_kept = kept == kNoSeq ? 0 : cache_.length(kept);
  if (cache_.n_used_by_bound() + std::max(n, n_kept) > n_cells) {
    return false;
  }
  const auto n_freed = [&] { return kept == kNoSeq ? 0 : cache_.n_freed_by_drop(kept); };
  const auto n_missing = [&] {
    return cache_.n_used() - n_freed() + std::max(n, n_kept) - n_cells;
  };
  while (n_missing() > 0) {
    if (!cache_.evict_one(n_missing(), kept)) {
      return false;
    }
  }
  return true;
}

bool Admission::make_private(SeqId seq, Pos n) {
  for (const SeqId holder : cache_.retained()) {
    if (cache_.n_shared(seq) > n && !cache_.is_pinned(holder)) {
      cache_.make_private(seq, n, holder);
    }
  }
  return cache_.n_shared(seq) <= n;
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

void Admission::preempt(const Sequence &running) {
  std::unique_ptr<Sequence> sequence = release(running.slot);
  sequence->phase = Phase::kWaiting;
  sequence->n_given_up = std::exchange(sequence->n_past, 0);
  queue_.insert(std::move(sequence));
}

} // namespace llamabox
