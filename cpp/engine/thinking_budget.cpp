#include "engine/thinking_budget.h"

#include "engine/output.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace llamabox {

BudgetedSampler::BudgetedSampler(std::unique_ptr<Sampler> inner, const Vocab &vocab,
                                 ThinkingMarks marks, std::int32_t n_budget)
    : inner_(std::move(inner)), vocab_(vocab), marks_(std::move(marks)), n_budget_(n_budget) {
  for (const std::string &end : marks_.ends) {
    n_kept_ = std::max(n_kept_, end.size());
  }
  if (marks_.is_open) {
    state_ = n_budget_ > 0 ? State::kThinking : State::kForcing;
  }
}

Token BudgetedSampler::sample(std::span<const float> logits) {
  return state_ == State::kForcing ? marks_.end_tokens[n_forced_] : inner_->sample(logits);
}

void BudgetedSampler::accept(Token token) {
  inner_->accept(token);
  if (state_ == State::kForcing) {
    state_ = ++n_forced_ == marks_.end_tokens.size() ? State::kAfter : State::kForcing;
    return;
  }
  if (state_ == State::kAfter) {
    return;
  }
  text_ += vocab_.piece(token, true);
  if (state_ == State::kBefore) {
    look_for_begin();
  } else {
    count();
  }
}

// A block counts as one only where the answer begins with it, as for whoever reads the answer.
void BudgetedSampler::look_for_begin() {
  const std::size_t first = text_.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) {
    return;
  }
  const std::string_view seen = std::string_view(text_).substr(first);
  const std::size_t n_common = std::min(seen.size(), marks_.begin.size());
  if (seen.substr(0, n_common) != std::string_view(marks_.begin).substr(0, n_common)) {
    state_ = State::kAfter;
  } else if (n_common == marks_.begin.size()) {
    text_.clear();
    state_ = n_budget_ > 0 ? State::kThinking : State::kForcing;
  }
}

void BudgetedSampler::count() {
  if (has_ended()) {
    state_ = State::kAfter;
    return;
  }
  // Only a tail that may yet become an end mark, or a character, is looked at again.
  text_.erase(0, text_.size() - std::min(text_.size(), n_kept_));
  ++n_thought_;
  if (n_thought_ >= n_budget_ && n_incomplete_utf8(text_) == 0) {
    state_ = State::kForcing;
  }
}

bool BudgetedSampler::has_ended() const {
  return std::ranges::any_of(
      marks_.ends, [this](const std::string &end) { return text_.find(end) != std::string::npos; });
}

} // namespace llamabox
