#include "engine/pass_size.h"

#include <algorithm>

namespace llamabox {
namespace {

constexpr std::int32_t kLeast = 128;
constexpr std::uint32_t kTryEvery = 32; // passes
constexpr double kMemory = 0.8;

} // namespace

PassSize::PassSize(std::int32_t n_most) {
  for (std::int32_t n_tokens = kLeast; n_tokens < n_most; n_tokens *= 2) {
    sizes_.push_back({n_tokens});
  }
  sizes_.push_back({n_most});
}

std::size_t PassSize::quickest() const {
  return static_cast<std::size_t>(std::ranges::min_element(sizes_, {}, &Size::ms_per_token) -
                                  sizes_.begin());
}

// A size that was never tried counts as the quickest. From time to time, a neighbour of the best.
std::int32_t PassSize::next() const {
  const std::size_t best = quickest();
  if (sizes_[best].ms_per_token > 0 && n_passes_ % kTryEvery == kTryEvery - 1) {
    const bool is_above = n_passes_ / kTryEvery % 2 == 0;
    const std::size_t tried = is_above ? best + 1 : best - 1; // below none: past the end
    return sizes_[tried < sizes_.size() ? tried : best].n_tokens;
  }
  return sizes_[best].n_tokens;
}

void PassSize::observe(std::int32_t n_tokens, double ms) {
  ++n_passes_;
  const auto size = std::ranges::lower_bound(sizes_, n_tokens, {}, &Size::n_tokens);
  // A pass that was not filled says little about its size.
  if (size == sizes_.end() || 4 * n_tokens < 3 * size->n_tokens || ms <= 0) {
    return;
  }
  const double now = ms / n_tokens;
  size->ms_per_token =
      size->ms_per_token > 0 ? kMemory * size->ms_per_token + (1 - kMemory) * now : now;
}

} // namespace llamabox
