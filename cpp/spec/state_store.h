// The states that a model reached at the tokens of sequences, kept for a drafter that guesses from
// them: of each sequence those of a run of tokens without gaps.
// Thread rule: engine thread. Guarantee: what is found is the state at that place of the text that
// is held; a sequence keeps a bounded number, and where it would keep more it keeps the newest.
// Covered by state_store_test.
#pragma once

#include "base/types.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace llamabox {

class StateStore {
public:
  // States of `width` numbers; at most n_most of one sequence, which is at least 1.
  StateStore(std::int32_t n_seqs, std::size_t width, std::size_t n_most)
      : width_(width), n_most_(n_most), held_(static_cast<std::size_t>(n_seqs)) {}

  std::size_t width() const { return width_; }

  // The sequence's text is the one that `stream` names, and has these states from `begin` on.
  void put(SeqId seq, std::uint64_t stream, Pos begin, std::span<const float> states);

  // Of that text, the states from `end` on are of tokens that did not stay.
  void cut(SeqId seq, std::uint64_t stream, Pos end);

  // Those before `begin` are needed no more.
  void drop_before(SeqId seq, Pos begin);

  // Whether all of [begin, end) are held of that text.
  bool covers(SeqId seq, std::uint64_t stream, Pos begin, Pos end) const;

  // The state at `pos`; empty where it is not held.
  std::span<const float> find(SeqId seq, Pos pos) const;

private:
  struct Held {
    std::uint64_t stream = 0;
    Pos begin = 0;
    std::vector<float> states;
  };

  Pos end_of(const Held &one) const {
    return one.begin + static_cast<Pos>(one.states.size() / width_);
  }
  void erase_front(Held &one, Pos begin) const;

  const std::size_t width_;
  const std::size_t n_most_;
  std::vector<Held> held_;
};

} // namespace llamabox
