// A set of tokens of one vocabulary: a bit each.
// Thread rule: plain value. Guarantee: bits beyond the vocabulary are clear, so that whole words
// can be read. Covered by best_logits_test and grammar_automaton_test.
#pragma once

#include "base/types.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace llamabox {

class TokenMask {
public:
  static constexpr std::size_t kWordBits = 64;

  explicit TokenMask(std::size_t n_tokens) : words_((n_tokens + kWordBits - 1) / kWordBits) {}

  bool test(Token token) const {
    const auto at = static_cast<std::size_t>(token);
    return (words_[at / kWordBits] >> (at % kWordBits) & 1U) != 0;
  }
  void set(Token token) {
    const auto at = static_cast<std::size_t>(token);
    words_[at / kWordBits] |= std::uint64_t{1} << (at % kWordBits);
  }
  std::size_t count() const {
    std::size_t n = 0;
    for (const std::uint64_t word : words_) {
      n += static_cast<std::size_t>(std::popcount(word));
    }
    return n;
  }
  // Token 64 * i + j is bit j of word i.
  std::span<const std::uint64_t> words() const { return words_; }

private:
  std::vector<std::uint64_t> words_;
};

} // namespace llamabox
