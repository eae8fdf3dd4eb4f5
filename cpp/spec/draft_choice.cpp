#include "spec/draft_choice.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace llamabox {
namespace {

// Logits above other logits; of equal ones the lower token.
bool is_better(const TokenProbability &a, const TokenProbability &b) {
  return a.probability > b.probability || (a.probability == b.probability && a.token < b.token);
}

} // namespace

std::vector<TokenProbability> draft_chances(std::span<const float> logits, float temperature) {
  std::vector<TokenProbability> best; // with logits until the end
  best.reserve(kDraftCandidates + 1);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (best.size() == kDraftCandidates && logits[i] <= best.back().probability) {
      continue;
    }
    const TokenProbability candidate{static_cast<Token>(i), logits[i]};
    best.insert(std::ranges::upper_bound(best, candidate, is_better), candidate);
    if (best.size() > kDraftCandidates) {
      best.pop_back();
    }
  }
  const float largest = best.front().probability;
  float sum = 0;
  for (TokenProbability &candidate : best) {
    const float scaled = (candidate.probability - largest) / (temperature > 0 ? temperature : 1.0F);
    candidate.probability = std::exp(scaled);
    sum += candidate.probability;
  }
  for (TokenProbability &candidate : best) {
    candidate.probability /= sum;
  }
  return best;
}

Token draw(std::span<const TokenProbability> chances, double at) {
  for (const TokenProbability &candidate : chances) {
    at -= static_cast<double>(candidate.probability);
    if (at < 0) {
      return candidate.token;
    }
  }
  return chances.front().token;
}

} // namespace llamabox
