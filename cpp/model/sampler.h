// Chooses tokens for one sequence: its parameters, its random state, its history of penalties.
// Thread rule: one thread at a time. Guarantee: the same seed, logits and accepted tokens give the
// same choices. Covered by sampler_test and the engine tests through FakeSampler.
#pragma once

#include "base/types.h"
#include "model/sampling_params.h"
#include "model/token_probability.h"

#include <memory>
#include <span>
#include <vector>

namespace llamabox {

class Sampler {
public:
  virtual ~Sampler() = default;
  // ERRORS: Error when no token may follow (a grammar, bans); the request ends with it.
  virtual Token sample(std::span<const float> logits) = 0;
  virtual void accept(Token token) = 0; // ERRORS: likewise
  // A token of the text that no constraint is about: history for the penalties.
  virtual void remember(Token /*token*/) {}
  // All tokens that sample() might draw and how likely each is, where this does not depend on what
  // it draws; else nothing.
  virtual std::vector<TokenProbability> distribution(std::span<const float> /*logits*/) {
    return {};
  }
};

class SamplerFactory {
public:
  virtual ~SamplerFactory() = default;

  // `prompt` feeds the penalties; media rows in it are kNoToken and are skipped.
  // Any thread. ERRORS: Error(kInvalidArgument) names the parameter.
  virtual std::unique_ptr<Sampler> make(const SamplingParams &params,
                                        std::span<const Token> prompt) const = 0;
};

} // namespace llamabox
