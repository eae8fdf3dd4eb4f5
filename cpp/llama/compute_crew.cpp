#include "llama/compute_crew.h"

#include "base/error.h"

#include "ggml-alloc.h"

namespace llamabox {

// A step with several sequences has several rows, and runs on the threads for those.
ComputeCrew::ComputeCrew(LoadedContext &context)
    : context_(context), n_threads_(context.params().n_threads_batch) {}

void ComputeCrew::take_parts(ggml_tensor *, int, int, void *crew) {
  auto &self = *static_cast<ComputeCrew *>(crew);
  for (;;) {
    const std::size_t part = self.next_part_.fetch_add(1, std::memory_order_relaxed);
    if (part >= self.n_parts_) {
      return;
    }
    (*self.part_)(part);
  }
}

void ComputeCrew::make_graph() {
  backend_.reset(ggml_backend_init_by_type(GGML_BACKEND_DEVICE_TYPE_CPU, nullptr));
  const std::size_t n_bytes = 2 * ggml_tensor_overhead() + ggml_graph_overhead();
  tensors_.reset(ggml_init({n_bytes, nullptr, true}));
  if (!backend_ || !tensors_) {
    throw Error(ErrorCode::kInternal, "the CPU backend cannot be used for sampling");
  }
  context_.threads().attach_batch(backend_.get(), n_threads_);
  ggml_tensor *node = ggml_custom_4d(tensors_.get(), GGML_TYPE_F32, 1, 1, 1, 1, nullptr, 0,
                                     take_parts, GGML_N_TASKS_MAX, this);
  buffer_.reset(ggml_backend_alloc_ctx_tensors(tensors_.get(), backend_.get()));
  graph_ = ggml_new_graph(tensors_.get());
  ggml_build_forward_expand(graph_, node);
}

void ComputeCrew::run(std::size_t n_parts, const std::function<void(std::size_t)> &part) {
  if (graph_ == nullptr) {
    make_graph();
  }
  part_ = &part;
  n_parts_ = n_parts;
  next_part_.store(0, std::memory_order_relaxed);
  if (ggml_backend_graph_compute(backend_.get(), graph_) != GGML_STATUS_SUCCESS) {
    throw Error(ErrorCode::kInternal, "the compute threads failed");
  }
}

} // namespace llamabox
