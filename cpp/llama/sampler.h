// Chooses tokens with llama.cpp's samplers in llama-box's order: penalties, top-k, top-p, min-p,
// temperature, then a draw. Greedy is a plain maximum; with top-k only the k best ever become
// candidates, so that a large vocabulary costs one pass over the logits.
// Thread rule: a sampler by one thread at a time; the factory by any thread.
// Guarantee: the same seed, logits and accepted tokens give the same choices; logits that are equal
// go to the lowest token id. Covered by tests/cpp/llama/sampler_test.cpp.
#pragma once

#include "model/sampler.h"

#include "llama.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace llamabox {

class LlamaSamplerFactory final : public SamplerFactory {
public:
  // REQUIRES: the vocabulary outlives the factory and its samplers.
  LlamaSamplerFactory(const llama_vocab *vocab, std::int32_t n_ctx);

  std::unique_ptr<Sampler> make(const SamplingParams &params,
                                std::span<const Token> prompt) const override;

private:
  std::int32_t n_vocab_;
  std::int32_t n_ctx_;
  std::vector<Token> suppressed_; // the model's own list of tokens that it must not write
};

// The index of the largest value, the first of equal ones; 0 when there is none.
Token argmax(std::span<const float> logits);

// Throws Error(kInvalidArgument) with the name of the parameter that cannot be honoured.
void check_sampling(const SamplingParams &params);

} // namespace llamabox
