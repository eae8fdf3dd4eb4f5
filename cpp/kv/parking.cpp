#include "kv/parking.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace llamabox {

// Of a state that can be cut once it is back, a beginning is of use too.
Parking::Parking(KvMemory &kv, std::size_t n_bytes_max)
    : kv_(kv), whole_(!kv.traits().can_copy_ranges),
      tier_(n_bytes_max, !kv.traits().can_cut || kv.traits().n_window > 0) {}

// Pieces that another entry has already are not copied again. False: it has all.
bool Parking::begin(const Leaf &leaf) {
  leaf_ = leaf;
  keys_.assign(leaf.keys.begin(), leaf.keys.end());
  pieces_.clear();
  const ParkedMatch known = tier_.find(keys_, leaf.root);
  if (whole_) {
    const bool is_known = known.n == static_cast<Pos>(keys_.size());
    leaf_ = is_known ? Leaf{} : leaf;
    return !is_known;
  }
  for (const auto &piece : known.pieces) {
    const bool is_full = piece->end - piece->begin == kPieceTokens;
    if (piece->end <= known.n && (is_full || piece->end == static_cast<Pos>(keys_.size()))) {
      pieces_.push_back(piece);
    }
  }
  return true;
}

bool Parking::park_piece(const Leaf &leaf) {
  if (!is_on() || static_cast<Pos>(leaf.keys.size()) < kMinTokens) {
    return false;
  }
  if (leaf.seq != leaf_.seq || leaf.stamp != leaf_.stamp) {
    finish();
    if (!begin(leaf)) {
      return false;
    }
  }
  const auto n = static_cast<Pos>(keys_.size());
  const Pos from = n_tokens_of(pieces_);
  if (from < n) {
    const Pos to = whole_ ? n : std::min(n, from + kPieceTokens);
    std::vector<std::uint8_t> state =
        whole_ ? kv_.save(leaf.seq) : kv_.save_range(leaf.seq, from, to);
    n_last_bytes_ = state.size();
    if (whole_ && !tier_.has_room_for(state.size())) {
      leaf_ = {}; // it would push everything else out, and itself
      return false;
    }
    pieces_.push_back(tier_.make_piece(from, to, std::move(state)));
    n_parked_ += static_cast<std::uint64_t>(to - from);
  }
  if (n_tokens_of(pieces_) < n) {
    return true;
  }
  finish();
  return false;
}

void Parking::finish() {
  const auto n = static_cast<std::size_t>(n_tokens_of(pieces_));
  if (leaf_.seq != kNoSeq && n > 0) {
    tier_.add(leaf_.root, HostTier::Keys(keys_).first(n), std::move(pieces_));
  }
  leaf_ = {};
  pieces_.clear();
}

void Parking::park_whole(const Leaf &leaf) {
  finish();
  park_piece(leaf);
}

} // namespace llamabox
