// Cuts the computation of the projector into slices: counts what the nodes of its graph cost, and
// stops in front of the node with which a slice would take longer than it should. A single node is
// never cut.
// Thread rule: the thread that encodes. Guarantee: the result does not depend on the slices.
// Covered by tests/cpp/llama/media_test.cpp.
#pragma once

#include "model/media.h"

#include "ggml.h"

#include <cstdint>
#include <vector>

namespace llamabox {

class MediaSlices {
public:
  // An encoding begins, or (null) has ended.
  void use(SliceGate *gate);
  bool was_stopped() const { return stopped_; }

  // What ggml asks of each node before it is computed, and tells of those where it stopped.
  static bool on_node(ggml_tensor *node, bool is_question, void *slices);

private:
  bool ends_slice(const ggml_tensor &node);
  bool slice_ended();
  double next_cost() const;

  SliceGate *gate_ = nullptr;
  bool stopped_ = false;
  std::vector<double> costs_;  // of the nodes of this encoding so far, in operations
  std::vector<double> before_; // of those of the one before
  double work_ = 0;            // of the slice so far
  double work_per_ns_ = 1;     // of the slices so far; a guess at first
  std::int64_t began_ns_ = 0;
};

} // namespace llamabox
