#include "llama/token_history.h"

#include <algorithm>
#include <cmath>

namespace llamabox {
namespace {

// A window as large as the context grows as it fills.
constexpr std::size_t kReserved = 1024;

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
      frequency_(params.frequency_penalty), presence_(params.presence_penalty) {
  ring_.reserve(std::min(n_window_, kReserved));
  counts_.reserve(std::min(n_window_, kReserved) + 1);
}

void TokenHistory::accept(Token token) {
  if (n_window_ == 0) {
    return;
  }
  count(token, 1);
  if (ring_.size() < n_window_) {
    ring_.push_back(token);
    return;
  }
  count(ring_[oldest_], -1);
  ring_[oldest_] = token;
  oldest_ = (oldest_ + 1) % n_window_;
}

void TokenHistory::count(Token token, std::int32_t change) {
  const auto at = std::ranges::lower_bound(counts_, token, {}, &TokenCount::token);
  if (at == counts_.end() || at->token != token) {
    counts_.insert(at, {token, change});
    return;
  }
  at->n += change;
  if (at->n == 0) {
    counts_.erase(at);
  }
}

float TokenHistory::penalized(float logit, std::int32_t n) const {
  // The formula of llama.cpp: division would make a negative logit more likely.
  const float repeated = logit > 0 ? logit / repeat_ : logit * repeat_;
  return repeated - (static_cast<float>(n) * frequency_ + presence_);
}

} // namespace llamabox
