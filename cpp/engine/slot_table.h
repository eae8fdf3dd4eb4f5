// The fixed seats of the batch. A slot is free or bound to one sequence (inv.slot). The sequence's
// KV has an id of its own (PrefixCache), so what it leaves does not depend on who sits here next.
// Thread rule: engine thread. Covered by wait_queue_test.
#pragma once

#include "engine/sequence.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace llamabox {

class SlotTable {
public:
  explicit SlotTable(std::int32_t n_slots) : seats_(static_cast<std::size_t>(n_slots)) {}

  std::int32_t n_slots() const { return static_cast<std::int32_t>(seats_.size()); }
  std::int32_t n_busy() const { return static_cast<std::int32_t>(bound_.size()); }

  std::vector<std::int32_t> free_slots() const {
    std::vector<std::int32_t> free;
    for (std::size_t i = 0; i < seats_.size(); ++i) {
      if (!seats_[i]) {
        free.push_back(static_cast<std::int32_t>(i));
      }
    }
    return free;
  }

  bool is_bound(std::int32_t slot) const { return !!seats_[static_cast<std::size_t>(slot)]; }

  // REQUIRES: the slot is bound.
  Sequence &at(std::int32_t slot) { return *seats_[static_cast<std::size_t>(slot)]; }

  // The seat in which a bound sequence sits, whatever it believes itself.
  std::int32_t seat_of(const Sequence *sequence) const {
    const auto seat = std::ranges::find(seats_, sequence, &std::unique_ptr<Sequence>::get);
    return static_cast<std::int32_t>(seat - seats_.begin());
  }

  // Whether anybody waits for a next token.
  bool streams() const {
    return std::ranges::any_of(seats_,
                               [](const auto &s) { return s && s->phase == Phase::kDecode; });
  }

  // In slot order; changed by bind() and release().
  const std::vector<Sequence *> &bound() const { return bound_; }

  // REQUIRES: the slot is free.
  Sequence &bind(std::int32_t slot, std::unique_ptr<Sequence> sequence) {
    sequence->slot = slot;
    auto &seat = seats_[static_cast<std::size_t>(slot)];
    seat = std::move(sequence);
    bound_.insert(std::ranges::lower_bound(bound_, slot, {}, &Sequence::slot), seat.get());
    return *seat;
  }

  // REQUIRES: the slot is bound.
  std::unique_ptr<Sequence> release(std::int32_t slot) {
    auto sequence = std::move(seats_[static_cast<std::size_t>(slot)]);
    std::erase(bound_, sequence.get());
    sequence->slot = kNoSlot;
    return sequence;
  }

private:
  std::vector<std::unique_ptr<Sequence>> seats_;
  std::vector<Sequence *> bound_; // those in seats
};

} // namespace llamabox
