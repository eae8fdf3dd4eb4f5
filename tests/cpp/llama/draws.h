// Draws from distributions that are known by hand, with the samplers of the demo model; the same
// seed gives the same draws.
// Thread rule: test code, one thread. Covered by its users.
#pragma once

#include "tiny_model.h"

#include <map>

namespace llamabox {

// Logits of a distribution over tokens 100, 101, ...; every other token is impossible.
inline std::vector<float> distribution(const Models &models,
                                       const std::vector<float> &probabilities) {
  std::vector<float> logits(static_cast<std::size_t>(models.info.n_vocab), -1e9F);
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    logits[100 + i] = std::log(probabilities[i]);
  }
  return logits;
}

inline SamplingParams plain() {
  SamplingParams params;
  params.seed = 42;
  params.temperature = 1.0F;
  params.top_k = 0;
  params.top_p = 1.0F;
  params.min_p = 0.0F;
  return params;
}

inline std::vector<Token> draw(const Models &models, const SamplingParams &params,
                               std::span<const float> logits, int n = 400) {
  const auto sampler = models.samplers->make(params, {});
  std::vector<Token> tokens;
  for (int i = 0; i < n; ++i) {
    tokens.push_back(sampler->sample(logits));
    sampler->accept(tokens.back());
  }
  return tokens;
}

inline std::map<Token, int> counts(const std::vector<Token> &tokens) {
  std::map<Token, int> counts;
  for (const Token token : tokens) {
    ++counts[token];
  }
  return counts;
}

inline Token greedy(const Models &models, SamplingParams params, std::span<const float> logits,
                    const std::vector<Token> &prompt = {}) {
  params.temperature = 0;
  return models.samplers->make(params, prompt)->sample(logits);
}

// The parameter that the factory refuses, after a change to the defaults; its message names it too.
template <typename Change> std::string refused_parameter(const Models &models, Change change) {
  SamplingParams params;
  change(params);
  const Error error = error_of([&] { models.samplers->make(params, {}); });
  CHECK(error.code() == ErrorCode::kInvalidArgument);
  CHECK(contains(error.what(), error.param()));
  return error.param();
}

} // namespace llamabox
