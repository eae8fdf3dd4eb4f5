#include "spec/ngram_index.h"

#include "spec/token_hash.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace llamabox {
namespace {

constexpr std::size_t kLeastEntries = 256;

std::span<const Token> ngram_before(std::span<const Token> tokens, std::int32_t end,
                                    std::int32_t n) {
  return tokens.subspan(static_cast<std::size_t>(end - n), static_cast<std::size_t>(n));
}

} // namespace

std::uint32_t NgramIndex::hash_of(std::span<const Token> ngram) {
  return static_cast<std::uint32_t>(token_hash(ngram.size(), ngram));
}

std::size_t NgramIndex::slot_of(std::uint32_t hash) const {
  const std::size_t mask = entries_.size() - 1;
  std::size_t at = hash & mask;
  while (entries_[at].next != 0 && entries_[at].hash != hash) {
    at = (at + 1) & mask;
  }
  return at;
}

void NgramIndex::insert(std::uint32_t hash, std::int32_t next) {
  if (2 * (n_entries_ + 1) > entries_.size()) {
    grow();
  }
  Entry &entry = entries_[slot_of(hash)];
  n_entries_ += entry.next == 0 ? 1U : 0U;
  entry = {hash, next};
}

void NgramIndex::grow() {
  const std::vector<Entry> old =
      std::exchange(entries_, std::vector<Entry>(std::max(kLeastEntries, 2 * entries_.size())));
  for (const Entry &entry : old) {
    if (entry.next != 0) {
      entries_[slot_of(entry.hash)] = entry;
    }
  }
}

bool NgramIndex::extend(std::span<const Token> tokens, std::int32_t n_max) {
  const auto n_tokens = static_cast<std::int32_t>(tokens.size());
  const std::int32_t end = std::min(n_tokens, n_indexed_ + n_max);
  for (; n_indexed_ < end; ++n_indexed_) {
    // What stands before the token; the last n-gram of all has no continuation yet.
    for (std::int32_t n = 1; n <= std::min(kMaxNgram, n_indexed_); ++n) {
      insert(hash_of(ngram_before(tokens, n_indexed_, n)), n_indexed_);
    }
  }
  return n_indexed_ == n_tokens;
}

void NgramIndex::clear() {
  entries_.clear();
  n_entries_ = 0;
  n_indexed_ = 0;
}

NgramIndex::Match NgramIndex::find(std::span<const Token> tokens, std::int32_t n_min) const {
  const auto n_tokens = static_cast<std::int32_t>(tokens.size());
  if (entries_.empty()) {
    return {};
  }
  for (std::int32_t n = std::min(kMaxNgram, n_tokens - 1); n >= n_min; --n) {
    const auto last = ngram_before(tokens, n_tokens, n);
    const Entry &entry = entries_[slot_of(hash_of(last))];
    // Different n-grams may share a hash.
    if (entry.next >= n && std::ranges::equal(last, ngram_before(tokens, entry.next, n))) {
      return {n, entry.next};
    }
  }
  return {};
}

std::vector<Token> continuation(std::span<const Token> tokens, std::int32_t next,
                                std::int32_t n_max) {
  std::vector<Token> found;
  for (std::int32_t i = 0; i < n_max; ++i) {
    const auto at = static_cast<std::size_t>(next + i);
    const Token token = at < tokens.size() ? tokens[at] : found[at - tokens.size()];
    if (token == kNoToken) {
      break;
    }
    found.push_back(token);
  }
  return found;
}

} // namespace llamabox
