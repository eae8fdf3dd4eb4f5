// Lets waiting sequences onto slots when a slot and enough KV cells are free, and takes KV away
// again: retained prefixes first, then the sequence that is last in rank. Prompts that have most of
// their beginning in common with one that is just being read wait until it is in KV.
// Thread rule: engine thread. Guarantee: the sequence that is first in rank is never preempted, so
// something always progresses (inv.progress).
// Covered by admission_test, prefix_join_test and scheduler_states_test.
#pragma once

#include "engine/sequence.h"
#include "engine/slot_table.h"
#include "engine/wait_queue.h"
#include "kv/prefix_cache.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace llamabox {

// Whether what it says does not depend on KV that a prefill cannot make again.
inline bool can_resume(const Sequence &sequence) {
  return !sequence.has_moved_cells || sequence.n_generated() == 0;
}

// What a waiting sequence finds in KV: the longest prefix, or more where cells are moved.
struct Takeover {
  PrefixMatch prefix;
  ChunkMatch chunks;  // of no chunk: the prefix is taken
  ParkedMatch parked; // of no token: nothing is restored behind the prefix
  // Tokens in common with anything there is or was, also where nothing can be made of it.
  Pos n_common = 0;

  Pos n() const { return chunks.chunks.empty() ? prefix.n : chunks.n; }
  SeqId seq() const { return chunks.chunks.empty() ? prefix.seq : chunks.seq; }
};

class Admission {
public:
  Admission(SlotTable &slots, WaitQueue &queue, PrefixCache &cache)
      : slots_(slots), queue_(queue), cache_(cache) {}

  // Binds every waiting sequence that fits now, in queue order; returns them.
  std::vector<Sequence *> admit();

  // Takes a sequence that is over from its slot; its KV is retained.
  std::unique_ptr<Sequence> release(std::int32_t slot);

  // Frees about n cells of the least recently used prefix that no running sequence holds, or all
  // it has. False: there is none.
  bool evict_retained(std::int32_t n) { return cache_.evict_one(n); }

  // Drops retained prefixes until n cells are free beside `kept`, which counts as empty. False:
  // running sequences hold too many; nothing is dropped then.
  bool make_free(std::int32_t n, SeqId kept);

  // Lets retained prefixes drop what they share with a running sequence beyond its first n tokens.
  // False: another running or a pinned sequence shares that too.
  bool make_private(SeqId seq, Pos n);

  // Who gives way when no cell is left: one that can resume before one whose cells were moved, the
  // last in rank (the youngest, the lowest priority) first; never the first. Null when only one
  // runs.
  Sequence *victim() const;

  // Takes the slot from a running sequence and puts it back into the queue; its KV is a retained
  // prefix then, of which it finds what is left. REQUIRES: can_resume(sequence).
  void preempt(const Sequence &sequence);

private:
  bool waits_for_prefill(Sequence &next, Pos n_held) const;
  bool can_take_from(const Underway &prefill) const;
  Takeover look_up(const Sequence &next) const;
  void find_parked(const Sequence &next, Takeover &found) const;
  bool may_move_cells(const Sequence &sequence) const;
  std::int32_t n_needed(const Sequence &next, Pos n_held) const;
  std::int32_t choose_slot(const Sequence &next, SeqId match,
                           std::span<const std::int32_t> free) const;
  Sequence &bind(std::unique_ptr<Sequence> next, const Takeover &found, std::int32_t slot);

  SlotTable &slots_;
  WaitQueue &queue_;
  PrefixCache &cache_;
};

} // namespace llamabox
