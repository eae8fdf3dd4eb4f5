// How much of this machine's memory the computations of an image may take. Here an allocation
// succeeds whatever there is, and the system ends the process that writes to it; so the sizes of
// graphs are asked for before they get any memory.
// Thread rule: one thread at a time, as the hooks that use it.
// Guarantee: in each image the first graph of each allocator is measured; the others of a stage are
// as large. Covered by tests/py/api/test_image_memory.py.
#pragma once

#include "ggml-alloc.h"

#include <cstddef>
#include <cstdint>
#include <map>

namespace llamabox {

class ComputeMemory {
public:
  // 0: any amount.
  void set_limit(std::size_t n_bytes) { limit_ = n_bytes; }
  void begin_image() { image_ += 1; }

  void note_allocator(ggml_gallocr_t allocator, bool is_on_host);
  // Whether this image has had a graph of this allocator.
  bool is_measured(ggml_gallocr_t allocator) const;
  // ERRORS: Error(kInvalidArgument) of `size` for a graph over the limit; it has no memory then.
  void measure(ggml_gallocr_t allocator, ggml_cgraph *graph);

private:
  struct Allocator {
    bool is_on_host = false;
    std::uint64_t measured_for = 0; // the image
  };

  std::size_t limit_ = 0;
  std::uint64_t image_ = 0;
  std::map<ggml_gallocr_t, Allocator> allocators_;
};

} // namespace llamabox
