// A row of logits of which a few are changed (biases, penalties), read as if all were written down
// again, without doing so: the row stays where upstream has it.
// Thread rule: one thread at a time; the row must not change meanwhile. Guarantee: what best() and
// all() give is what they would give on a changed copy; buffers are kept between rows.
// Covered by best_logits_test.
#pragma once

#include "base/types.h"
#include "model/best_logits.h"
#include "model/token_mask.h"

#include <cstddef>
#include <span>
#include <vector>

namespace llamabox {

class EditedLogits {
public:
  // For the calls until the next one. REQUIRES: edits ascend by token, each token once; both
  // outlive the calls.
  void set(std::span<const float> logits, std::span<const ScoredToken> edits);

  std::size_t size() const { return logits_.size(); }

  // In each of these, a mask leaves only its tokens, and a logit of minus infinity is a ban.
  // The best one; kNoToken when there is none.
  Token best(const TokenMask *mask);
  // The k best, best first.
  void best(std::size_t k, const TokenMask *mask, std::vector<ScoredToken> &out);
  // All, by token.
  void all(const TokenMask *mask, std::vector<ScoredToken> &out) const;

private:
  bool is_edited(Token token) const;

  std::span<const float> logits_;
  std::span<const ScoredToken> edits_;
  std::vector<float> copy_;
  std::vector<ScoredToken> found_;
};

} // namespace llamabox
