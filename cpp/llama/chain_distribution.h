// What a chain of llama.cpp's samplers would draw from: all but its last, which draws, are applied.
// Guarantee: the chain's random state stays as it is.
// Thread rule: one thread at a time. Covered by tests/cpp/llama/sampler_distribution_test.cpp.
#pragma once

#include "model/token_probability.h"

#include "llama.h"

#include <vector>

namespace llamabox {

// REQUIRES: the last sampler of the chain draws a candidate by its probability, and those before it
// neither draw nor remember what they are applied to.
std::vector<TokenProbability> chain_distribution(llama_sampler *chain,
                                                 llama_token_data_array &candidates);

} // namespace llamabox
