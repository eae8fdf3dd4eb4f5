#include "spec/shared_ngrams.h"

#include "spec/token_hash.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace llamabox {

std::uint64_t SharedNgrams::key_of(LookupGroup group, std::span<const Token> ngram) {
  return token_hash(group, ngram) | 1U;
}

std::size_t SharedNgrams::first_of(std::uint64_t key) const {
  return static_cast<std::size_t>(key >> 8U) % (entries_.size() / kWays) * kWays;
}

void SharedNgrams::learn(LookupGroup group, std::span<const Token> tokens) {
  const Token next = tokens.back();
  const auto ngram = tokens.last(kMaxNgram + 1).first(kMaxNgram);
  if (next == kNoToken || std::ranges::find(ngram, kNoToken) != ngram.end()) {
    return;
  }
  const std::uint64_t key = key_of(group, ngram);
  const auto ways = std::span(entries_).subspan(first_of(key), kWays);
  auto at = std::ranges::find(ways, key, &Entry::key);
  if (at == ways.end()) {
    at = std::ranges::min_element(ways, {}, &Entry::age);
  }
  *at = {key, next, ++n_learnt_};
}

std::vector<Token> SharedNgrams::find(LookupGroup group, std::span<const Token> tokens,
                                      std::int32_t n_max) const {
  std::vector<Token> found;
  if (tokens.size() < kMaxNgram) {
    return found;
  }
  std::array<Token, kMaxNgram> last{};
  std::ranges::copy(tokens.last(kMaxNgram), last.begin());
  while (static_cast<std::int32_t>(found.size()) < n_max) {
    const std::uint64_t key = key_of(group, last);
    const auto ways = std::span(entries_).subspan(first_of(key), kWays);
    const auto at = std::ranges::find(ways, key, &Entry::key);
    if (at == ways.end()) {
      break;
    }
    found.push_back(at->next);
    std::ranges::rotate(last, last.begin() + 1);
    last.back() = at->next;
  }
  return found;
}

} // namespace llamabox
