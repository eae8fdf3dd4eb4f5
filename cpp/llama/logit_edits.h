// What a request changes about single logits: biases, then the penalties of the last tokens.
// Thread rule: one thread at a time. Guarantee: make() visits only the tokens that change, so its
// cost does not depend on the vocabulary, and allocates nothing once its buffer has grown.
// Covered by tests/cpp/llama/sampler_test.cpp and sampler_order_test.cpp.
#pragma once

#include "llama/token_history.h"
#include "model/best_logits.h"
#include "model/sampling_params.h"

#include <optional>
#include <span>
#include <vector>

namespace llamabox {

class LogitEdits {
public:
  // Biases of one token act in their order. REQUIRES: biases name tokens of the vocabulary.
  LogitEdits(std::vector<LogitBias> biases, std::optional<TokenHistory> history);

  void accept(Token token) {
    if (history_) {
      history_->accept(token);
    }
  }

  // The new logits of the tokens that have one, ascending by token; valid until the next call.
  std::span<const ScoredToken> make(std::span<const float> logits);

private:
  std::vector<LogitBias> biases_; // ascending by token
  std::optional<TokenHistory> history_;
  std::vector<ScoredToken> made_;
};

} // namespace llamabox
