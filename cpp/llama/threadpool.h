// The compute threads of one context. Without them ggml, built without OpenMP, would start and end
// threads in every step.
// Thread rule: the thread that loads the model. Guarantee: the pools outlive every step of the
// context they are attached to, if the context is freed first.
// Functions of the CPU backend come from the registry's table, since the backend may be a library
// that is loaded at run time. Covered by load_test and every decode in the runner tests.
#pragma once

#include "ggml-backend.h"
#include "llama.h"

#include <cstdint>

namespace llamabox {

struct ThreadpoolParams {
  std::int32_t n_threads = 1;       // for steps of one row
  std::int32_t n_threads_batch = 1; // for steps of several rows
  std::int32_t poll = 50;           // 0..100
};

class Threadpools {
public:
  explicit Threadpools(const ThreadpoolParams &params);
  ~Threadpools();
  Threadpools(const Threadpools &) = delete;
  Threadpools &operator=(const Threadpools &) = delete;

  void attach(llama_context *context) const;

private:
  using Free = void (*)(ggml_threadpool_t);

  ggml_threadpool_t single_ = nullptr;
  ggml_threadpool_t batch_ = nullptr; // null: `single_` serves both
  Free free_ = nullptr;
};

} // namespace llamabox
