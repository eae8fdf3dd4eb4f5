#include "llama/media_slices.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace llamabox {
namespace {

std::int64_t now_ns() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

// What reading and writing a number takes beside one operation of a product.
constexpr double kPerNumber = 32;

// Operations, roughly: only their proportions matter, and the products cost by far the most.
double cost_of(const ggml_tensor &node) {
  const auto n = static_cast<double>(ggml_nelements(&node));
  switch (node.op) {
  case GGML_OP_MUL_MAT:
  case GGML_OP_MUL_MAT_ID:
    return 2 * n * static_cast<double>(node.src[0]->ne[0]);
  case GGML_OP_FLASH_ATTN_EXT:
    return 4 * n * static_cast<double>(node.src[1]->ne[1]);
  case GGML_OP_RESHAPE:
  case GGML_OP_VIEW:
  case GGML_OP_PERMUTE:
  case GGML_OP_TRANSPOSE:
    return 1; // another way to look at the same numbers
  default:
    return kPerNumber * n;
  }
}

} // namespace

void MediaSlices::use(SliceGate *gate) {
  if (gate != nullptr) {
    before_ = std::move(costs_);
    costs_.clear();
  }
  gate_ = gate;
  stopped_ = false;
  work_ = 0;
  began_ns_ = now_ns();
}

bool MediaSlices::on_node(ggml_tensor *node, bool is_question, void *slices) {
  auto &self = *static_cast<MediaSlices *>(slices);
  return is_question ? self.ends_slice(*node) : self.slice_ended();
}

bool MediaSlices::ends_slice(const ggml_tensor &node) {
  if (gate_ == nullptr) {
    return false; // while it is loaded
  }
  costs_.push_back(cost_of(node));
  work_ += costs_.back();
  return work_ + next_cost() > work_per_ns_ * static_cast<double>(gate_->slice_ns());
}

// ggml does not say what comes next, but the encoding before was mostly of the same graph, if not
// of the same size.
double MediaSlices::next_cost() const {
  const std::size_t next = costs_.size();
  return next < before_.size() ? before_[next] * costs_[next - 1] / before_[next - 1] : 0;
}

bool MediaSlices::slice_ended() {
  const auto took_ns = static_cast<double>(std::max<std::int64_t>(1, now_ns() - began_ns_));
  work_per_ns_ = work_ / took_ns;
  stopped_ = stopped_ || !gate_->pass();
  work_ = 0;
  began_ns_ = now_ns();
  return !stopped_;
}

} // namespace llamabox
