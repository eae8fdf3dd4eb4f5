// What leaves a context that is full: the first tokens stay, of the rest the older half goes.
// Thread rule: pure.
// Covered by context_shift_test.
#pragma once

#include "base/types.h"

#include <cstdint>
#include <span>
#include <vector>

namespace llamabox {

// The tokens [begin, end) of a sequence; empty when nothing can go.
struct DroppedRange {
  Pos begin = 0;
  Pos end = 0;
  Pos size() const { return end - begin; }
};

// Of n_past tokens in KV, which fill a context of n_ctx. The first one stays whatever n_keep is:
// models lean on it. Empty where so much is kept that each shift would win less than 1/16 of the
// context, since a shift costs a pass over all cells.
// n_discard tokens go where that many are asked for and there, 0: half of the rest.
DroppedRange range_to_drop(Pos n_past, std::int32_t n_keep, std::int32_t n_ctx,
                           std::int32_t n_discard = 0);

// The fewest tokens that a shift may win.
std::int32_t least_discard(std::int32_t n_ctx);

// The prompt without the fewest blocks after its first n_keep tokens that let it fit a context of
// n_ctx and leave room for an answer; a block is half of what is not kept. Empty where n_keep
// leaves too little.
std::vector<Token> without_blocks(std::span<const Token> tokens, std::int32_t n_keep,
                                  std::int32_t n_ctx);

} // namespace llamabox
