// The compute threads of one context. Without them ggml, built without OpenMP, would start and end
// threads in every step.
// Thread rule: the thread that decodes makes it and tells it about each step: it is a compute
// thread of both pools, and what a pool is given (CPUs, priority) applies to it too.
// Guarantee: the pools outlive every step of the context they are attached to, if the context is
// freed first; a placement that the system would not grant is refused before there are threads.
// Functions of the CPU backend come from the registry's table, since the backend may be a library
// that is loaded at run time.
// Covered by model_options_test and tests/py/api/test_option_effects.py.
#pragma once

#include "llama/params.h"

#include "ggml-backend.h"
#include "llama.h"

#include <cstdint>
#include <memory>

namespace llamabox {

struct ThreadpoolParams {
  std::int32_t n_threads = 1; // for steps of one row
  ThreadPlacement placement;
  std::int32_t n_threads_batch = 1; // for steps of several rows
  ThreadPlacement placement_batch;
};

// Refuses CPUs and priorities that this process may not use.
// ERRORS: Error(kLoadFailed) names the option.
void check_placements(const ThreadpoolParams &params);

class Threadpools {
public:
  // REQUIRES: check_placements() accepts them.
  explicit Threadpools(const ThreadpoolParams &params);
  ~Threadpools();
  Threadpools(const Threadpools &) = delete;
  Threadpools &operator=(const Threadpools &) = delete;

  void attach(llama_context *context) const;
  // A CPU backend of our own runs its graphs on the threads of steps of several rows.
  void attach_batch(ggml_backend_t backend, std::int32_t n_threads) const;

  // A step of so many rows comes next.
  void before_step(std::size_t n_rows);

  // The threads sleep until the next step instead of waiting for it awake. Any thread, between two
  // steps.
  void rest() const;

private:
  using Free = void (*)(ggml_threadpool_t);
  using SetPool = void (*)(ggml_backend_t, ggml_threadpool_t);

  ggml_threadpool_t single_ = nullptr;
  ggml_threadpool_t batch_ = nullptr; // null: `single_` serves both
  Free free_ = nullptr;
  SetPool set_pool_ = nullptr;
  std::unique_ptr<ggml_backend, void (*)(ggml_backend_t)> idle_; // computes nothing, see rest()
  std::int32_t priority_;
  std::int32_t priority_batch_;
  std::int32_t own_priority_ = 0; // of the calling thread
};

} // namespace llamabox
