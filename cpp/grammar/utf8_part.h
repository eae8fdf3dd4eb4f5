// A character that is being read byte by byte: what of it has come.
// Thread rule: plain value. Guarantee: only well-formed UTF-8 passes: no overlong forms, no
// surrogates, nothing beyond U+10FFFF. Covered by grammar_automaton_test.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

namespace llamabox {

struct Utf8Part {
  std::uint32_t value = 0;    // bits so far
  std::uint8_t n_missing = 0; // bytes that are still to come; 0: between characters
  std::uint8_t n_bytes = 0;   // of the whole character

  friend bool operator==(const Utf8Part &, const Utf8Part &) = default;

  // False when the byte cannot follow. When n_missing is 0 after it, `value` is a code point.
  bool take(std::uint8_t byte) {
    constexpr unsigned kContinuation = 0x80;
    if (n_missing > 0) {
      if ((byte & 0xC0U) != kContinuation) {
        return false;
      }
      value = value << 6U | (byte & 0x3FU);
      --n_missing;
      const auto [low, high] = range();
      return low <= high;
    }
    if (byte < kContinuation) {
      *this = {byte, 0, 1};
      return true;
    }
    if (byte < 0xC2 || byte > 0xF4) {
      return false;
    }
    const unsigned n = byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
    *this = {byte & (0x7FU >> n), static_cast<std::uint8_t>(n - 1), static_cast<std::uint8_t>(n)};
    return true;
  }

  // The code points that it may yet become; empty when the first is above the last.
  std::pair<std::uint32_t, std::uint32_t> range() const {
    constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    constexpr std::uint32_t kSurrogates = 0xD800;
    constexpr std::uint32_t kAfterSurrogates = 0xE000;
    const unsigned n_bits = 6U * n_missing;
    std::uint32_t low = std::max(value << n_bits, kLeast[n_bytes]);
    const std::uint32_t all = value << n_bits | ((std::uint32_t{1} << n_bits) - 1);
    const std::uint32_t high = std::min<std::uint32_t>(all, 0x10FFFF);
    if (low >= kSurrogates && low < kAfterSurrogates) {
      low = kAfterSurrogates;
    }
    return {low, high};
  }
};

} // namespace llamabox
