// Where in one sequence its last few tokens stood before: what followed them then may follow now.
// Prompt and output are indexed as they grow, each token once.
// Thread rule: engine thread, one owner. Guarantee: a lookup costs the same whatever the length.
// Covered by ngram_index_test.
#pragma once

#include "base/types.h"

#include <cstdint>
#include <span>
#include <vector>

namespace llamabox {

inline constexpr std::int32_t kMaxNgram = 4; // tokens that are compared at most

class NgramIndex {
public:
  struct Match {
    std::int32_t n = 0;    // tokens compared; 0: none
    std::int32_t next = 0; // index of the token that followed them
  };

  // Takes in at most n_max tokens of the sequence. True: all of it is known now. REQUIRES: `tokens`
  // begins with what was given before, unless clear() came between.
  bool extend(std::span<const Token> tokens, std::int32_t n_max);

  void clear();

  // The latest place at which the sequence's last n tokens stood before, for the largest n from
  // kMaxNgram down to n_min. REQUIRES: extend() has returned true for these tokens.
  Match find(std::span<const Token> tokens, std::int32_t n_min) const;

private:
  struct Entry {
    std::uint32_t hash = 0;
    std::int32_t next = 0; // 0: empty, since no n-gram ends before token 1
  };

  static std::uint32_t hash_of(std::span<const Token> ngram);
  std::size_t slot_of(std::uint32_t hash) const;
  void insert(std::uint32_t hash, std::int32_t next);
  void grow();

  std::vector<Entry> entries_; // open addressing; the size is a power of two or 0
  std::size_t n_entries_ = 0;
  std::int32_t n_indexed_ = 0; // tokens that are known as a continuation
};

// The n_max tokens from `next` on, going on with themselves where the sequence ends; shorter where
// a media row comes.
std::vector<Token> continuation(std::span<const Token> tokens, std::int32_t next,
                                std::int32_t n_max);

} // namespace llamabox
