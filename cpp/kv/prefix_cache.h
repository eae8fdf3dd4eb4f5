// What every sequence id holds in KV, and the longest prefix that a new prompt can take over. An id
// is bound to a running sequence, retains what an ended one left, or is empty. The only caller of
// KvMemory, so that memory, keys, tree and budget never disagree.
// Thread rule: engine thread. Guarantee: a match is a prefix of the prompt, of the same root, from
// which decoding can continue, and whose cells are as a cold prefill makes them. Binding copies no
// cell where the memory shares, and costs what an ended sequence left only when ids run out.
// Covered by prefix_cache_test with FakeKvMemory.
#pragma once

#include "base/types.h"
#include "kv/chunk_reuse.h"
#include "kv/kv_budget.h"
#include "kv/parking.h"
#include "kv/prefix_tree.h"
#include "model/kv_memory.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace llamabox {

struct PrefixMatch {
  SeqId seq = kNoSeq; // kNoSeq: nothing in common
  Pos n = 0;
};

// A prefix that a sequence holds itself, and later parts of what it holds that continue it.
struct ChunkMatch {
  SeqId seq = kNoSeq;
  Pos n_prefix = 0;
  std::vector<Chunk> chunks;
  Pos n = 0; // tokens in all
};

// A prefill under way that a waiting prompt has more in common with than with anything in KV.
struct Underway {
  SeqId seq = kNoSeq;        // kNoSeq: there is none
  std::uint64_t binding = 0; // of the id, so that a later one is not mistaken for it
  Pos n = 0;                 // tokens in common once it has them
};

// A sequence's KV outside of the model's memory.
struct SavedPrefix {
  std::vector<std::int64_t> keys;
  Pos n_exact = 0; // of them, those whose cells are as a cold prefill makes them
  std::vector<std::uint8_t> state;
};

// For whom an id is bound, and what will be in it.
struct Binding {
  PrefixRoot root;
  std::int32_t slot = kNoSlot;
  std::span<const std::int64_t> keys; // of the prompt; others may wait for them
};

class PrefixCache {
public:
  using Keys = std::span<const std::int64_t>;

  // What is evicted is parked in up to n_parked_bytes of RAM.
  explicit PrefixCache(KvMemory &kv, std::size_t n_parked_bytes = 0);

  // The longest prefix of `keys` held by any sequence, running or retained, when the memory shares,
  // else by a retained one. Among equals a retained one wins, then the one that holds least beyond.
  PrefixMatch best_match(Keys keys, const PrefixRoot &root) const;

  // The running prefill that will hold most of `keys`, and more than it holds now.
  Underway underway(Keys keys, const PrefixRoot &root) const;
  // Whether it still runs and has not come so far.
  bool is_underway(const Underway &prefill) const;

  // The retained sequence in which moving cells keeps most of `keys`, a chunk of fewer than n_min
  // not counted. REQUIRES: traits().can_shift.
  ChunkMatch best_chunks(Keys keys, const PrefixRoot &root, Pos n_min) const;

  // An id that holds the matched prefix, or less where the memory cannot keep that, and nothing
  // else. REQUIRES: fewer ids are bound than there are.
  SeqId bind(const PrefixMatch &match, const Binding &binding);
  // Likewise, of prefix and chunks. REQUIRES: match.seq is retained.
  SeqId bind_chunks(const ChunkMatch &match, const Binding &binding);
  // The sequence is over or gives way: what it holds is retained.
  void release(SeqId seq);

  // The decode of these tokens of `seq` succeeded.
  void append(SeqId seq, Keys keys);

  // `seq` keeps its first n tokens. REQUIRES: n == 0 or the memory can (see KvMemory::trim).
  void trim(SeqId seq, Pos n);

  // `seq` keeps its first n tokens, or none where the memory cannot keep them; returns how many.
  Pos trim_to_usable(SeqId seq, Pos n);

  // The tokens [begin, end) of `seq` leave and those after them move down.
  // REQUIRES: traits().can_shift, n_shared(seq) <= end.
  void drop(SeqId seq, Pos begin, Pos end);

  // Takes from `holder` what it shares with `seq` beyond the first n tokens.
  void make_private(SeqId seq, Pos n, SeqId holder);

  // Frees cells of the least recently used retained prefix that has some of its own, a pinned one
  // last: about n from its end, or all it has. False: there is none but `except`.
  bool evict_one(std::int32_t n, SeqId except = kNoSeq);

  // The parked prefix that gives most of `keys`; beside running streams only one whose pieces are
  // short to copy.
  ParkedMatch best_parked(Keys keys, const PrefixRoot &root);
  // Fills a bound sequence up to match.n by and by; until then it is restoring.
  void begin_restore(SeqId seq, const ParkedMatch &match);
  bool is_restoring(SeqId seq) const { return !held(seq).restoring.pieces.empty(); }
  // Where that ends; 0: it is not restoring.
  Pos restoring_to(SeqId seq) const { return held(seq).restoring.n; }
  // Copies the next piece; `keys` are the sequence's. Returns the tokens it brought; when the
  // memory has no room, none, and the sequence is restoring no longer.
  Pos restore_piece(SeqId seq, Keys keys);
  // Where KV is getting scarce, copies a piece of what will be evicted next. False: nothing to do.
  bool park_piece();
  // Whether a sequence that has gone on can often not go back, so that states are kept on its way.
  bool needs_states() const;
  // Whether RAM takes states now, where sequences cannot share or go back.
  bool can_keep_states() const;
  // Keeps the state of a running sequence as it is now, where a shorter one cannot be had later.
  void keep_state(SeqId seq);
  // The longest beginning that anything in KV or RAM has in common with `keys`, usable or not.
  Pos n_common(Keys keys, const PrefixRoot &root) const {
    return std::max(tree_.n_common(root, keys), parking_.n_common(keys, root));
  }
  // Whether streams run that a long copy would hold up.
  void set_streaming(bool streaming) { streaming_ = streaming; }
  const Parking &parking() const { return parking_; }

  // What `seq` holds and could hold again; nothing when it is empty.
  SavedPrefix save(SeqId seq);

  // Lets the id that a slot left, or another that is not bound, hold what was saved and nothing
  // else, pinned, as if the slot had left it. False: the memory refused it, and the id holds what
  // it held. REQUIRES: the slot is free; cells for the longer of the two beside what others hold.
  bool restore(std::int32_t slot, const SavedPrefix &saved, const PrefixRoot &root);

  // A pinned sequence is the last to be evicted, until another prompt takes it.
  void pin(SeqId seq) { held(seq).pinned = true; }
  bool is_pinned(SeqId seq) const { return held(seq).pinned; }

  // Empties `seq` whatever its memory holds: a failed decode leaves that unknown.
  void forget(SeqId seq);

  // The id that a slot is bound to, or whose last sequence ran there; kNoSeq: it is gone.
  SeqId seq_of(std::int32_t slot) const;
  bool is_bound(SeqId seq) const { return held(seq).bound; }
  std::uint64_t n_shared_in_all() const { return n_shared_in_all_; } // tokens, since the start
  std::vector<SeqId> retained() const; // ids that are not bound and hold something
  Pos length(SeqId seq) const { return budget_.length(seq); }
  Pos n_shared(SeqId seq) const { return budget_.n_shared(seq); }
  const PrefixRoot &root(SeqId seq) const { return held(seq).root; }
  std::uint64_t last_used(SeqId seq) const { return held(seq).last_used; }
  std::int32_t n_used() const { return budget_.n_used(); }
  // By bound sequences, and by one more that takes over the match.
  std::int32_t n_used_by_bound(const PrefixMatch &match = {}) const;
  std::int32_t n_freed_by_drop(SeqId seq) const { return budget_.n_freed_by_drop(seq); }
  const KvTraits &traits() const { return traits_; }

private:
  struct Held {
    std::vector<std::int64_t> keys;
    PrefixRoot root;
    bool bound = false;
    bool pinned = false;
    std::int32_t slot = kNoSlot; // where its sequence runs or ran
    std::uint64_t last_used = 0; // counts appends, so that the least recent is the smallest
    std::uint64_t binding = 0;   // n_uses_ when it was bound
    // The first keys whose cells are as a cold prefill makes them: all, until cells are moved.
    Pos n_exact = 0;
    std::uint64_t dropped_at = 0; // n_uses_ of the last drop
    bool parked = false;          // all that can be
    ParkedMatch restoring;
  };

  Held &held(SeqId seq) { return held_[static_cast<std::size_t>(seq)]; }
  const Held &held(SeqId seq) const { return held_[static_cast<std::size_t>(seq)]; }
  std::vector<SeqId> ids(bool bound) const;
  SeqId id_for(const PrefixMatch &match) const;
  void share(SeqId from, SeqId to, Pos n);
  void seat(SeqId seq, std::int32_t slot);
  void end_prefill(SeqId seq);
  void index(SeqId seq); // puts what an id holds, or will hold, into the tree
  bool fits(SeqId seq, const SavedPrefix &saved);
  void evict(SeqId seq);
  void shorten(SeqId seq, std::int32_t n);
  void park_before_loss(SeqId seq);
  void stop_parking(SeqId seq);
  bool may_park(SeqId seq) const;
  bool park_piece_of(SeqId seq);
  Leaf leaf(SeqId seq) const;
  bool is_short(std::size_t n_bytes) const;

  KvMemory &kv_;
  const KvTraits traits_;
  std::vector<Held> held_;
  PrefixTree tree_;
  PrefixTree prefills_;      // prompts of bound ids that are not all in KV yet, whole
  std::vector<SeqId> seats_; // by slot: the id of its last sequence
  KvBudget budget_;
  Parking parking_;
  bool streaming_ = false;
  std::uint64_t n_uses_ = 0;
  std::uint64_t n_shared_in_all_ = 0;
  std::uint64_t last_append_ = 0; // n_uses_ of the last append, which follows a decode
};

} // namespace llamabox
