// Guesses the next tokens of a sequence so that one step can verify several.
// Thread rule: engine thread. Guarantee: a wrong guess costs time, never correctness (verify.h).
// Covered by scheduler_test with FakeProposer.
#pragma once

#include "base/types.h"

#include <cstdint>
#include <span>
#include <vector>

namespace llamabox {

class Proposer {
public:
  virtual ~Proposer() = default;
  // At most n_max tokens that may follow `tokens` (the whole sequence of `seq` so far).
  virtual std::vector<Token> propose(SeqId seq, std::span<const Token> tokens,
                                     std::int32_t n_max) = 0;
};

} // namespace llamabox
