// What the prefix cache does with RAM: what is evicted is parked there, what is wanted comes back.
#include "kv/prefix_cache.h"

#include <algorithm>
#include <cstddef>

namespace llamabox {
namespace {

// Where a state is copied as a whole, this much beside running streams: some milliseconds.
constexpr std::size_t kShortCopyBytes = std::size_t{8} << 20;

// The smallest part of memory that is evicted at a time.
constexpr std::int32_t kCutsOfMemory = 128;

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
void PrefixCache::park_before_loss(SeqId seq) {
  const bool has_time = !streaming_ || (parking_.is_whole() && is_short(parking_.n_last_bytes()));
  while (length(seq) > 0 && has_time && park_piece_of(seq)) {
  }
  stop_parking(seq);
}

// What is copied later is what the sequence holds then.
void PrefixCache::stop_parking(SeqId seq) {
  if (parking_.is_copying(seq)) {
    parking_.finish();
  }
}

void PrefixCache::evict(SeqId seq) {
  park_before_loss(seq);
  forget(seq);
}

// A prompt is worth most by its beginning, and a sequence that gave way goes on where it is cut.
void PrefixCache::shorten(SeqId seq, std::int32_t n) {
  // Each cut looks at all cells there are, so that it is not done for a few.
  const std::int32_t n_gone = std::max(n, traits_.n_cells / kCutsOfMemory);
  park_before_loss(seq);
  const bool keeps_some = n_gone < n_freed_by_drop(seq);
  const Pos n_kept = keeps_some ? kv_.usable_prefix(seq, length(seq) - n_gone) : 0;
  trim(seq, n_kept);
}

bool PrefixCache::needs_states() const {
  const bool forgets = traits_.n_window > 0 && traits_.n_window_cells < traits_.n_cells;
  return forgets || !traits_.can_cut;
}

bool PrefixCache::can_keep_states() const {
  return parking_.is_on() && parking_.is_whole() && is_short(parking_.n_last_bytes());
}

void PrefixCache::keep_state(SeqId seq) {
  if (can_keep_states() && may_park(seq)) {
    parking_.park_whole(leaf(seq));
  }
}

} // namespace llamabox
