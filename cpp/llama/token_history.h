// The last tokens of a sequence with their counts, and the penalties that follow from them.
// Thread rule: one thread at a time. Guarantee: counts() has only the tokens in the window; what a
// window holds is allocated once. Covered by tests/cpp/llama/sampler_test.cpp.
#pragma once

#include "base/types.h"
#include "model/sampling_params.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace llamabox {

struct TokenCount {
  Token token = kNoToken;
  std::int32_t n = 0;
};

class TokenHistory {
public:
  // n_ctx stands in for repeat_last_n == -1.
  TokenHistory(const SamplingParams &params, std::int32_t n_ctx);

  void accept(Token token);

  // Ascending by token.
  std::span<const TokenCount> counts() const { return counts_; }
  // The logit of a token that is n times in the window.
  float penalized(float logit, std::int32_t n) const;

private:
  void count(Token token, std::int32_t change);

  std::size_t n_window_; // 0: no penalty is asked for
  float repeat_;
  float frequency_;
  float presence_;
  std::vector<Token> ring_;
  std::size_t oldest_ = 0; // index in ring_, once it is full
  std::vector<TokenCount> counts_;
};

} // namespace llamabox
