// Chooses tokens with llama.cpp's samplers in the order asked for. Greedy is a plain maximum; with
// top-k first only the k best ever become candidates, so that a large vocabulary costs one pass
// over the logits. A choice under a grammar is made as if the other tokens did not exist; whether
// they do is asked about the best few first, and about all where these do not decide.
// Thread rule: a sampler by one thread at a time; the factory by any thread.
// Guarantee: the same seed, logits and accepted tokens give the same choices; logits that are equal
// go to the lowest token id; a banned token or one that the grammar refuses is never chosen.
// Covered by tests/cpp/llama/sampler_test.cpp, sampler_order_test.cpp and grammar_test.cpp.
#pragma once

#include "llama/grammar_compiler.h"
#include "llama/grammar_source.h"
#include "llama/sampler_chain.h"
#include "llama/vocab.h"
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
  std::vector<LogitBias> biases_of(const SamplingParams &params) const;

  const llama_vocab *upstream_;
  LlamaVocab vocab_;
  std::int32_t n_vocab_;
  std::int32_t n_ctx_;
  std::vector<Token> suppressed_; // the model's own list of tokens that it must not write
  std::vector<Token> end_tokens_; // those that end the text
  mutable DrySamplers dry_;
  mutable GrammarSource grammars_;
  mutable GrammarCompiler compiler_;
};

} // namespace llamabox
