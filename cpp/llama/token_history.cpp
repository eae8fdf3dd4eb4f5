#include "llama/token_history.h"

#include <cmath>

namespace llamabox {
namespace {

std::size_t window_of(const SamplingParams &params, std::int32_t n_ctx) {
  const bool none = params.repeat_penalty == 1.0f && params.frequency_penalty == 0.0f &&
                    params.presence_penalty == 0.0f;
  if (none) {
    return 0;
  }
  return static_cast<std::size_t>(params.repeat_last_n < 0 ? n_ctx : params.repeat_last_n);
}

} // namespace

TokenHistory::TokenHistory(const SamplingParams &params, std::int32_t n_ctx)
    : n_window_(window_of(params, n_ctx)), repeat_(params.repeat_penalty),
      frequency_(params.frequency_penalty), presence_(params.presence_penalty) {}

void TokenHistory::accept(Token token) {
  if (!active()) {
    return;
  }
  ++counts_[token];
  if (ring_.size() < n_window_) {
    ring_.push_back(token);
    return;
  }
  const Token dropped = ring_[oldest_];
  ring_[oldest_] = token;
  oldest_ = (oldest_ + 1) % n_window_;
  const auto entry = counts_.find(dropped);
  if (--entry->second == 0) {
    counts_.erase(entry);
  }
}

void TokenHistory::penalize(std::span<float> logits) const {
  for (const auto &[token, count] : counts_) {
    float &logit = logits[static_cast<std::size_t>(token)];
    // The formula of llama.cpp: division would make a negative logit more likely.
    logit = logit > 0 ? logit / repeat_ : logit * repeat_;
    logit -= static_cast<float>(count) * frequency_ + presence_;
  }
}

} // namespace llamabox
