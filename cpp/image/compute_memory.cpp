#include "image/compute_memory.h"

#include "base/error.h"

#include <string>

namespace llamabox {

void ComputeMemory::note_allocator(ggml_gallocr_t allocator, bool is_on_host) {
  // Another allocator may have had this address.
  allocators_[allocator] = {is_on_host, 0};
}

bool ComputeMemory::is_measured(ggml_gallocr_t allocator) const {
  const auto found = allocators_.find(allocator);
  return found != allocators_.end() && found->second.measured_for == image_;
}

void ComputeMemory::measure(ggml_gallocr_t allocator, ggml_cgraph *graph) {
  constexpr std::size_t kMib = std::size_t{1} << 20;
  Allocator &measured = allocators_[allocator];
  std::size_t n_bytes = 0;
  if (limit_ > 0 && measured.is_on_host) {
    ggml_gallocr_reserve_n_size(allocator, graph, nullptr, nullptr, &n_bytes);
  }
  if (n_bytes > limit_) {
    throw Error(ErrorCode::kInvalidArgument,
                "size needs " + std::to_string(n_bytes / kMib) + " MiB of memory at once, and " +
                    std::to_string(limit_ / kMib) + " MiB are left beside the model",
                "size");
  }
  measured.measured_for = image_;
}

} // namespace llamabox
