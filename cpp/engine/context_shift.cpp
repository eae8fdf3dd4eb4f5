#include "engine/context_shift.h"

#include <algorithm>
#include <cstddef>

namespace llamabox {
namespace {

constexpr std::int32_t kLeastShare = 16;

Pos half_of_rest(Pos n, std::int32_t n_keep, std::int32_t n_ctx) {
  const Pos half = n_keep < n ? (n - n_keep) / 2 : 0;
  return half >= least_discard(n_ctx) ? half : 0;
}

Pos part_of_rest(Pos n, std::int32_t n_keep, std::int32_t n_ctx, std::int32_t n_discard) {
  const Pos part = n_keep < n ? std::min(n - n_keep, n_discard) : 0;
  return part >= least_discard(n_ctx) ? part : 0;
}

} // namespace

std::int32_t least_discard(std::int32_t n_ctx) { return std::max(1, n_ctx / kLeastShare); }

DroppedRange range_to_drop(Pos n_past, std::int32_t n_keep, std::int32_t n_ctx,
                           std::int32_t n_discard) {
  const Pos begin = std::max(n_keep, 1);
  const Pos n = n_discard > 0 ? part_of_rest(n_past, begin, n_ctx, n_discard)
                              : half_of_rest(n_past, begin, n_ctx);
  return n == 0 ? DroppedRange{} : DroppedRange{begin, begin + n};
}

std::vector<Token> without_blocks(std::span<const Token> tokens, std::int32_t n_keep,
                                  std::int32_t n_ctx) {
  const Pos begin = std::max(n_keep, 1);
  const Pos block = half_of_rest(n_ctx, begin, n_ctx);
  if (block == 0) {
    return {};
  }
  const auto n_too_many = static_cast<Pos>(tokens.size()) - (n_ctx - 1);
  const Pos n_blocks = (n_too_many + block - 1) / block;
  const auto end = static_cast<std::size_t>(begin + n_blocks * block);
  std::vector<Token> kept(tokens.begin(), tokens.begin() + begin);
  kept.insert(kept.end(), tokens.begin() + static_cast<std::ptrdiff_t>(end), tokens.end());
  return kept;
}

} // namespace llamabox
