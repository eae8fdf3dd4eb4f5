// The compute threads of a context between two of its graphs, as a crew. They wait for work there
// by polling, so that threads of our own beside them would find no free CPU; as a graph of one node
// the work starts as fast as any graph.
// Thread rule: the thread that decodes. Guarantee: see model/crew.h.
// Covered by tests/cpp/llama/crew_test.cpp.
#pragma once

#include "llama/context.h"
#include "model/crew.h"

#include "ggml-backend.h"
#include "ggml.h"

#include <atomic>
#include <memory>

namespace llamabox {

class ComputeCrew final : public Crew {
public:
  // REQUIRES: the context outlives the crew.
  explicit ComputeCrew(LoadedContext &context);

  std::int32_t n_threads() const override { return n_threads_; }
  void run(std::size_t n_parts, const std::function<void(std::size_t)> &part) override;

private:
  struct Free {
    void operator()(ggml_context *context) const { ggml_free(context); }
    void operator()(ggml_backend *backend) const { ggml_backend_free(backend); }
    void operator()(ggml_backend_buffer *buffer) const { ggml_backend_buffer_free(buffer); }
  };

  static void take_parts(ggml_tensor *node, int thread, int n_threads, void *crew);
  void make_graph();

  LoadedContext &context_;
  const std::int32_t n_threads_;
  std::unique_ptr<ggml_backend, Free> backend_; // made in the first run(), with the threads
  std::unique_ptr<ggml_context, Free> tensors_;
  std::unique_ptr<ggml_backend_buffer, Free> buffer_;
  ggml_cgraph *graph_ = nullptr;

  const std::function<void(std::size_t)> *part_ = nullptr; // of the run under way
  std::size_t n_parts_ = 0;
  std::atomic<std::size_t> next_part_{0};
};

} // namespace llamabox
