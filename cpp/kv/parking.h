// Copies retained prefixes into RAM and back, a piece at a time, so that a step beside it stays
// short. Where the memory cannot copy ranges, all that a sequence holds is one piece.
// Thread rule: engine thread. Guarantee: a restored prefix is byte for byte what was parked; memory
// and prefix cache are told of every cell by the caller.
// Covered by parking_test, and by host_tier_test for what is kept.
#pragma once

#include "base/types.h"
#include "kv/host_tier.h"
#include "model/kv_memory.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace llamabox {

// What a retained sequence holds that may be parked.
struct Leaf {
  SeqId seq = kNoSeq;
  std::uint64_t stamp = 0; // changes whenever what it holds does
  PrefixRoot root;
  std::span<const std::int64_t> keys;
};

class Parking {
public:
  static constexpr Pos kPieceTokens = 256;
  // Fewer are read anew as fast.
  static constexpr Pos kMinTokens = 32;

  Parking(KvMemory &kv, std::size_t n_bytes_max);

  bool is_on() const { return tier_.is_on(); }
  bool is_whole() const { return whole_; }
  ParkedMatch find(HostTier::Keys keys, const PrefixRoot &root) {
    return is_on() ? tier_.find(keys, root) : ParkedMatch{};
  }

  // Of `keys`, those that an entry begins with, usable or not.
  Pos n_common(HostTier::Keys keys, const PrefixRoot &root) const {
    return tier_.n_common(keys, root);
  }

  // Copies the next piece of the leaf. False: nothing is left to do, all of it can be found.
  bool park_piece(const Leaf &leaf);

  bool is_copying(SeqId seq) const { return leaf_.seq == seq; }
  // What was copied so far is all that will be.
  void finish();

  // The state of a running sequence, just as it is.
  void park_whole(const Leaf &leaf);

  std::uint64_t n_parked() const { return n_parked_; } // tokens copied to RAM, since the start
  std::size_t n_bytes() const { return tier_.n_bytes(); }
  std::size_t n_last_bytes() const { return n_last_bytes_; } // of the last piece copied to RAM

private:
  bool begin(const Leaf &leaf);

  KvMemory &kv_;
  const bool whole_;
  HostTier tier_;
  // The copy under way.
  Leaf leaf_; // its keys are not kept
  std::vector<std::int64_t> keys_;
  Pieces pieces_;
  std::uint64_t n_parked_ = 0;
  std::size_t n_last_bytes_ = 0;
};

} // namespace llamabox
