// Which prefix every sequence id holds in KV, and the longest one a new prompt can take over. The
// only caller of KvMemory, so that memory, keys and budget never disagree.
// Thread rule: engine thread. Guarantee: a match is a prefix of the prompt, of the same class, from
// which decoding can continue, and whose cells are as a cold prefill makes them.
// Covered by prefix_cache_test with FakeKvMemory.
#pragma once

#include "base/types.h"
#include "kv/chunk_reuse.h"
#include "kv/kv_budget.h"
#include "model/kv_memory.h"

#include <cstdint>
#include <span>
#include <vector>

namespace llamabox {

struct PrefixMatch {
  SeqId seq = -1; // -1: nothing in common
  Pos n = 0;
};

// A prefix that a sequence holds itself, and later parts of what it holds that continue it.
struct ChunkMatch {
  SeqId seq = -1;
  Pos n_prefix = 0;
  std::vector<Chunk> chunks;
  Pos n = 0; // tokens in all
};

// A sequence's KV outside of the model's memory.
struct SavedPrefix {
  std::vector<std::int64_t> keys;
  Pos n_exact = 0; // of them, those whose cells are as a cold prefill makes them
  std::vector<std::uint8_t> state;
};

class PrefixCache {
public:
  PrefixCache(KvMemory &kv, std::int32_t n_seqs);

  // The longest prefix of at most keys.size() held by any sequence (running or retained) when the
  // memory shares, else by one of `free_seqs`. Among equals a free one
  // wins, then the one that holds least beyond: taking it over loses least.
  PrefixMatch best_match(std::span<const std::int64_t> keys, ClassKey class_key,
                         std::span<const SeqId> free_seqs) const;

  // The decode of these tokens of `seq` succeeded.
  void append(SeqId seq, std::span<const std::int64_t> keys);

  // The free sequence in which moving cells keeps most of `keys`, a chunk of fewer than n_min not
  // counted. REQUIRES: traits().can_shift.
  ChunkMatch best_chunks(std::span<const std::int64_t> keys, ClassKey class_key,
                         std::span<const SeqId> free_seqs, Pos n_min) const;

  // Prepares `seq` to hold the matched prefix and nothing else; returns its length.
  Pos take_over(SeqId seq, const PrefixMatch &match, ClassKey class_key);

  // Lets match.seq hold the prefix and the chunks and nothing else; returns its length.
  Pos take_chunks(const ChunkMatch &match);

  // `seq` keeps its first n tokens. REQUIRES: n == 0 or the memory can (see KvMemory::trim).
  void trim(SeqId seq, Pos n);

  // `seq` keeps its first n tokens, or none where the memory cannot keep them; returns how many.
  Pos trim_to_usable(SeqId seq, Pos n);

  // The tokens [begin, end) of `seq` leave and those after them move down.
  // REQUIRES: traits().can_shift, n_shared(seq) <= end.
  void drop(SeqId seq, Pos begin, Pos end);

  // Takes from `holder` what it shares with `seq` beyond the first n tokens.
  void make_private(SeqId seq, Pos n, SeqId holder);

  // What `seq` holds and could hold again; nothing when it is empty.
  SavedPrefix save(SeqId seq);

  // Lets `seq` hold what was saved and nothing else. False: the memory refused it, and `seq` holds
  // what it held. REQUIRES: cells for the longer of the two beside what others hold.
  bool restore(SeqId seq, const SavedPrefix &saved, ClassKey class_key);

  // A pinned sequence is the last to be evicted, until another prompt takes it.
  void pin(SeqId seq) { held(seq).pinned = true; }
  bool is_pinned(SeqId seq) const { return held(seq).pinned; }

  // Empties `seq` whatever its memory holds: a failed decode leaves that unknown.
  void forget(SeqId seq);

  Pos length(SeqId seq) const { return budget_.length(seq); }
  Pos n_shared(SeqId seq) const { return budget_.n_shared(seq); }
  ClassKey class_key(SeqId seq) const { return held(seq).class_key; }
  std::uint64_t last_used(SeqId seq) const { return held(seq).last_used; }
  std::int32_t n_used() const { return budget_.n_used(); }
  std::int32_t n_freed_by_drop(SeqId seq) const { return budget_.n_freed_by_drop(seq); }
  const KvTraits &traits() const { return traits_; }

private:
  struct Held {
    std::vector<std::int64_t> keys;
    ClassKey class_key = 0;
    std::uint64_t last_used = 0; // counts appends, so that the least recent is the smallest
    // The first keys whose cells are as a cold prefill makes them: all, until cells are moved.
    Pos n_exact = 0;
    std::uint64_t dropped_at = 0; // n_uses_ of the last drop
    bool pinned = false;
  };

  Held &held(SeqId seq) { return held_[static_cast<std::size_t>(seq)]; }
  const Held &held(SeqId seq) const { return held_[static_cast<std::size_t>(seq)]; }
  Pos n_common(SeqId seq, std::span<const std::int64_t> keys) const;

  KvMemory &kv_;
  const KvTraits traits_;
  std::vector<Held> held_;
  KvBudget budget_;
  std::uint64_t n_uses_ = 0;
  std::uint64_t last_append_ = 0; // n_uses_ of the last append, which follows a decode
};

} // namespace llamabox
