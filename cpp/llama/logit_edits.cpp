#include "llama/logit_edits.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace llamabox {

LogitEdits::LogitEdits(std::vector<LogitBias> biases, std::optional<TokenHistory> history)
    : biases_(std::move(biases)), history_(std::move(history)) {
  std::ranges::sort(biases_, {},
                    [](const LogitBias &one) { return std::pair(one.token, one.bias); });
}

std::span<const ScoredToken> LogitEdits::make(std::span<const float> logits) {
  const std::span<const TokenCount> counts =
      history_ ? history_->counts() : std::span<const TokenCount>{};
  made_.clear();
  auto bias = biases_.begin();
  auto count = counts.begin();
  while (bias != biases_.end() || count != counts.end()) {
    const bool is_bias =
        bias != biases_.end() && (count == counts.end() || bias->token <= count->token);
    const Token token = is_bias ? bias->token : count->token;
    ScoredToken &edit = made_.emplace_back(token, logits[static_cast<std::size_t>(token)]);
    for (; bias != biases_.end() && bias->token == token; ++bias) {
      edit.logit += bias->bias;
    }
    if (history_ && count != counts.end() && count->token == token) {
      edit.logit = history_->penalized(edit.logit, count->n);
      ++count;
    }
  }
  return made_;
}

} // namespace llamabox
