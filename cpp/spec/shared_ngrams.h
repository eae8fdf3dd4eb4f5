// What followed four tokens in the answers of earlier requests: a table of fixed size over all of
// them, in which the new displaces the old.
// Thread rule: engine thread. Guarantee: what one group wrote is never found by another.
// Covered by ngram_index_test.
#pragma once

#include "base/types.h"
#include "spec/ngram_index.h"

#include <cstdint>
#include <span>
#include <vector>

namespace llamabox {

// Requests that may learn from each other.
using LookupGroup = std::uint64_t;

class SharedNgrams {
public:
  explicit SharedNgrams(std::size_t n_entries = kDefaultEntries) : entries_(n_entries) {}

  // The last of `tokens` followed those before it. REQUIRES: more than kMaxNgram tokens.
  void learn(LookupGroup group, std::span<const Token> tokens);

  // At most n_max tokens that may follow.
  std::vector<Token> find(LookupGroup group, std::span<const Token> tokens,
                          std::int32_t n_max) const;

private:
  static constexpr std::size_t kDefaultEntries = 1U << 17U; // 3 MiB
  static constexpr std::size_t kWays = 4;                   // places for one key

  struct Entry {
    std::uint64_t key = 0; // 0: empty
    Token next = kNoToken;
    std::uint32_t age = 0; // of the last time it was learnt, in calls
  };

  static std::uint64_t key_of(LookupGroup group, std::span<const Token> ngram);
  std::size_t first_of(std::uint64_t key) const;

  std::vector<Entry> entries_;
  std::uint32_t n_learnt_ = 0;
};

} // namespace llamabox
