// Which later parts of a new prompt stand somewhere in what a sequence holds. A conversation whose
// oldest turns were cut off shares all the rest with its last prompt, at other positions.
// Thread rule: pure. Guarantee: linear in the two lengths, whatever they repeat; chunks ascend in
// what is held and follow each other without a gap in what is wanted.
// Covered by chunk_reuse_test.
#pragma once

#include "base/types.h"

#include <cstdint>
#include <span>
#include <vector>

namespace llamabox {

// Tokens [from, from + n) of what is held.
struct Chunk {
  Pos from = 0;
  Pos n = 0;
};

struct ChunkSearch {
  std::span<const std::int64_t> held;
  std::span<const std::int64_t> wanted;
  Pos n_prefix = 0; // of both: in common and in place already
  Pos first = 0;    // chunks are taken from here on; at least n_prefix
  Pos n_min = 1;    // a shorter chunk is not worth its while
};

// The chunks that continue the prefix; each moves cells, so that their number is bounded.
std::vector<Chunk> find_chunks(const ChunkSearch &search);

} // namespace llamabox
