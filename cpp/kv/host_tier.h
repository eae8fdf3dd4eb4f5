// Prefixes parked in RAM: what KV had no room for, cut into pieces that entries with a common
// beginning share. Entries never change; one that is in use outlives its removal.
// Thread rule: engine thread. Guarantee: pieces have at most n_bytes_max bytes between two calls,
// those of running restores aside; what was used least recently goes first.
// Covered by host_tier_test.
#pragma once

#include "base/types.h"
#include "kv/prefix_tree.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace llamabox {

// The state of the tokens [begin, end) of a sequence.
struct ParkedPiece {
  Pos begin = 0;
  Pos end = 0;
  std::vector<std::uint8_t> state;
};

using Pieces = std::vector<std::shared_ptr<const ParkedPiece>>; // without gaps, from position 0

inline Pos n_tokens_of(const Pieces &pieces) { return pieces.empty() ? 0 : pieces.back()->end; }

// Pieces that begin with the first n of the keys looked up.
struct ParkedMatch {
  Pieces pieces;
  Pos n = 0;
};

class HostTier {
public:
  using Keys = PrefixTree::Keys;

  // `whole`: an entry is of use only to prompts that begin with all of it.
  HostTier(std::size_t n_bytes_max, bool whole) : n_bytes_max_(n_bytes_max), whole_(whole) {}
  HostTier(const HostTier &) = delete;
  HostTier &operator=(const HostTier &) = delete;

  bool is_on() const { return n_bytes_max_ > 0; }
  bool has_room_for(std::size_t n_bytes) const { return n_bytes <= n_bytes_max_; }

  Pos n_common(Keys keys, const PrefixRoot &root) const { return tree_.n_common(root, keys); }

  // The entry with most of `keys` that is of use.
  ParkedMatch find(Keys keys, const PrefixRoot &root);

  std::shared_ptr<const ParkedPiece> make_piece(Pos begin, Pos end,
                                                std::vector<std::uint8_t> state);

  // `keys` are those of the pieces. What has all keys of another takes its place, unless whole.
  void add(const PrefixRoot &root, Keys keys, Pieces pieces);

  std::size_t n_bytes() const { return n_bytes_; }
  std::int32_t n_entries() const { return n_entries_; }

private:
  struct Entry {
    Pieces pieces; // empty: the place is free
    std::uint64_t last_used = 0;
  };

  Entry &entry(HolderId id) { return entries_[static_cast<std::size_t>(id)]; }
  void remove(HolderId id);
  HolderId least_recent() const;

  const std::size_t n_bytes_max_;
  const bool whole_;
  std::size_t n_bytes_ = 0;
  std::int32_t n_entries_ = 0;
  std::uint64_t n_uses_ = 0;
  PrefixTree tree_;
  std::vector<Entry> entries_; // by their id in the tree; declared last: pieces count n_bytes_
};

} // namespace llamabox
