// The hash of a few tokens.
// Thread rule: pure. Guarantee: every bit depends on every token and on their order.
// Covered by ngram_index_test.
#pragma once

#include "base/types.h"

#include <cstdint>
#include <span>

namespace llamabox {

// A bijection whose every output bit depends on every input bit.
inline std::uint64_t mixed(std::uint64_t value) {
  value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27U)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31U);
}

// Tokens under different seeds have different hashes.
inline std::uint64_t token_hash(std::uint64_t seed, std::span<const Token> tokens) {
  std::uint64_t hash = mixed(seed + 1);
  for (const Token token : tokens) {
    hash = mixed(hash + static_cast<std::uint32_t>(token));
  }
  return hash;
}

} // namespace llamabox
