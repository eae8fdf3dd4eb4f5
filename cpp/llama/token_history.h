// The last tokens of a sequence with their counts, and the penalties that follow from them.
// Thread rule: one thread at a time. Guarantee: penalize() touches only tokens in the window, so
// its cost does not depend on the vocabulary. Covered by tests/cpp/llama/sampler_test.cpp.
#pragma once

#include "base/types.h"
#include "model/sampling_params.h"

#include <cstddef>
#include <span>
#include <unordered_map>
#include <vector>

namespace llamabox {

class TokenHistory {
public:
  // n_ctx stands in for repeat_last_n == -1.
  TokenHistory(const SamplingParams &params, std::int32_t n_ctx);

  bool active() const { return n_window_ > 0; }
  void accept(Token token);
  // logits[i] belongs to token i.
  void penalize(std::span<float> logits) const;

private:
  std::size_t n_window_; // 0: no penalty is asked for
  float repeat_;
  float frequency_;
  float presence_;
  std::vector<Token> ring_;
  std::size_t oldest_ = 0; // index in ring_, once it is full
  std::unordered_map<Token, std::int32_t> counts_;
};

} // namespace llamabox
