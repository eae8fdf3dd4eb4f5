#include "model/best_logits.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace llamabox {
namespace {

constexpr std::size_t kBlock = TokenMask::kWordBits;

// Lanes of their own let the compiler use vector registers.
float largest_of(std::span<const float> logits) {
  constexpr std::size_t kLanes = 16;
  std::array<float, kLanes> best;
  best.fill(-std::numeric_limits<float>::infinity());
  std::size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float value = logits[i + lane];
      best[lane] = value > best[lane] ? value : best[lane];
    }
  }
  for (; i < logits.size(); ++i) {
    best[0] = logits[i] > best[0] ? logits[i] : best[0];
  }
  return *std::ranges::max_element(best);
}

// Without a branch, so that the compiler uses vector registers.
bool has_above(std::span<const float> logits, float bound) {
  std::uint32_t n = 0;
  for (const float logit : logits) {
    n += logit > bound ? 1U : 0U;
  }
  return n > 0;
}

// A heap with the worst of the k best on top.
class Best {
public:
  Best(std::size_t k, std::vector<ScoredToken> &out) : k_(k), out_(out) { out_.clear(); }

  bool can_enter(float logit) const { return out_.size() < k_ || logit > out_.front().logit; }
  bool can_enter(std::span<const float> logits) const {
    return out_.size() < k_ || has_above(logits, out_.front().logit);
  }

  // Tokens come in ascending order, so that an equal logit never replaces one.
  void add(Token token, float logit) {
    if (out_.size() < k_) {
      out_.push_back({token, logit});
      if (out_.size() == k_) {
        std::ranges::make_heap(out_, is_better);
      }
      return;
    }
    std::ranges::pop_heap(out_, is_better);
    out_.back() = {token, logit};
    std::ranges::push_heap(out_, is_better);
  }

private:
  std::size_t k_;
  std::vector<ScoredToken> &out_;
};

} // namespace

Token argmax(std::span<const float> logits) {
  constexpr std::size_t kChunk = 1024;
  float best = -std::numeric_limits<float>::infinity();
  std::size_t best_at = 0;
  for (std::size_t begin = 0; begin < logits.size(); begin += kChunk) {
    const std::span<const float> chunk =
        logits.subspan(begin, std::min(kChunk, logits.size() - begin));
    const float largest = largest_of(chunk);
    if (largest > best) {
      best = largest;
      const auto found = std::ranges::find(chunk, largest);
      best_at = begin + static_cast<std::size_t>(found - chunk.begin());
    }
  }
  return static_cast<Token>(best_at);
}

void take_best(std::span<const float> logits, std::size_t k, const TokenMask *mask,
               std::vector<ScoredToken> &out) {
  Best best(k, out);
  for (std::size_t begin = 0; begin < logits.size() && k > 0; begin += kBlock) {
    const std::span<const float> block =
        logits.subspan(begin, std::min(kBlock, logits.size() - begin));
    std::uint64_t open = mask != nullptr ? mask->words()[begin / kBlock]
                                         : ~std::uint64_t{0} >> (kBlock - block.size());
    if (open == 0 || !best.can_enter(block)) {
      continue;
    }
    for (; open != 0; open &= open - 1) {
      const auto i = static_cast<std::size_t>(std::countr_zero(open));
      if (best.can_enter(block[i]) && !std::isnan(block[i])) {
        best.add(static_cast<Token>(begin + i), block[i]);
      }
    }
  }
  std::ranges::sort(out, is_better);
}

} // namespace llamabox
