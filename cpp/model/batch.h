// The rows of one decode call. A row is a token or an embedding, at 1 to 4 positions (several where
// the model's rotary embedding has sections), of one sequence; rows of a sequence ascend.
// Thread rule: engine thread. Covered by packer_test and the runner tests.
#pragma once

#include "base/types.h"

#include <array>
#include <cstdint>
#include <vector>

namespace llamabox {

using Positions = std::array<Pos, 4>; // text repeats one value

struct Row {
  Token token = kNoToken;      // kNoToken: the row is an embedding
  const float *embd = nullptr; // n_embd floats that outlive the decode call, or null
  Positions pos{};
  SeqId seq = 0;
  bool logits = false; // the runner must keep this row's logits
  bool causal = true;  // false, for all rows of a batch: they see those after them too
};

using Batch = std::vector<Row>;

} // namespace llamabox
