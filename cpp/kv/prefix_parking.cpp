// What the prefix cache does with RAM: what is evicted is parked there, what is wanted comes back.
#include "kv/prefix_cache.h"

#include <algorithm>
#include <cstddef>

namespace llamabox {
namespace {

// Where a state is copied as a whole, this much beside running streams: some milliseconds.
constexpr std::size_t kShortCopyBytes = std::size_t{8} << 20;

} // namespace

// Beside running streams a piece is copied if it is short, as all are but whole states.
bool PrefixCache::is_short(std::size_t n_bytes) const {
  return !streaming_ || !parking_.is_whole() || n_bytes <= kShortCopyBytes;
}

ParkedMatch PrefixCache::best_parked(Keys keys, const PrefixRoot &root) {
  ParkedMatch match = parking_.find(keys, root);
  const bool is_usable = match.n > 0 && is_short(match.pieces.front()->state.size());
  return is_usable ? match : ParkedMatch{};
}

void PrefixCache::begin_restore(SeqId seq, const ParkedMatch &match) {
  held(seq).restoring = match;
}

Pos PrefixCache::restore_piece(SeqId seq, Keys keys) {
  Held &own = held(seq);
  const Pos begin = length(seq);
  const auto next = std::ranges::find(own.restoring.pieces, begin,
                                      [](const auto &piece) { return piece->begin; });
  const bool fits_now = next != own.restoring.pieces.end() &&
                        (parking_.is_whole() ? kv_.restore(seq, (*next)->state)
                                             : kv_.restore_range(seq, (*next)->state));
  if (!fits_now) {
    own.restoring = {};
    return 0;
  }
  const Pos end = std::min((*next)->end, own.restoring.n);
  if (end < (*next)->end) {
    kv_.trim(seq, end); // the prompt goes on differently
  }
  const Keys new_keys =
      keys.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  own.keys.insert(own.keys.end(), new_keys.begin(), new_keys.end());
  own.n_exact = end;
  own.last_used = ++n_uses_;
  budget_.grow(seq, end - begin);
  if (end == own.restoring.n) {
    own.restoring = {};
  }
  return end - begin;
}

Leaf PrefixCache::leaf(SeqId seq) const {
  const Held &own = held(seq);
  return {seq, own.binding, own.root, Keys(own.keys).first(static_cast<std::size_t>(own.n_exact))};
}

// Media have more rows than positions, and what was moved is no prefix.
bool PrefixCache::may_park(SeqId seq) const {
  const Held &own = held(seq);
  return parking_.is_on() && !own.parked && (!parking_.is_whole() || own.n_exact == length(seq)) &&
         std::ranges::none_of(own.keys, [](std::int64_t key) { return key < 0; });
}

bool PrefixCache::park_piece_of(SeqId seq) {
  const bool goes_on = may_park(seq) && parking_.park_piece(leaf(seq));
  held(seq).parked = !goes_on;
  return goes_on;
}

bool PrefixCache::park_piece() {
  const std::vector<SeqId> found = retained();
  const bool is_scarce =
      n_used() > traits_.n_cells / 4 * 3 || found.size() + ids(true).size() == held_.size();
  if (!parking_.is_on() || !is_scarce || !is_short(parking_.n_last_bytes())) {
    return false;
  }
  SeqId next = kNoSeq;
  for (const SeqId seq : found) {
    const bool is_older = next == kNoSeq || held(seq).last_used < held(next).last_used;
    next = !held(seq).parked && is_older ? seq : next;
  }
  if (next == kNoSeq) {
    return false;
  }
  park_piece_of(next);
  return true;
}

// Nobody waits for the copy but the prompt that needs the room, unless streams run: then what was
// not copied yet is lost, but for one short state.
void PrefixCache::evict(SeqId seq) {
  const bool has_time = !streaming_ || (parking_.is_whole() && is_short(parking_.n_last_bytes()));
  while (length(seq) > 0 && has_time && park_piece_of(seq)) {
  }
  if (parking_.is_copying(seq)) {
    parking_.finish();
  }
  forget(seq);
}

void PrefixCache::keep_state(SeqId seq) {
  if (may_park(seq) && !traits_.can_cut && is_short(parking_.n_last_bytes())) {
    parking_.park_whole(leaf(seq));
  }
}

} // namespace llamabox
