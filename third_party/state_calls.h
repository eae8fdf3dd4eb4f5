// Included before llama-context.cpp: its copies between tensors and RAM go to whoever collects them
// on the thread, to be carried out in fewer calls (cpp/llama/state_transfers.h), else to ggml as
// ever. There is nothing to link, so upstream's own tools are built with it as well.
#pragma once

#include "ggml-backend.h"

#include <cstddef>

class LlamaboxStateCalls {
public:
  virtual void get(const ggml_tensor *tensor, void *to, std::size_t offset, std::size_t n) = 0;
  virtual void set(ggml_tensor *tensor, const void *from, std::size_t offset, std::size_t n) = 0;

protected:
  ~LlamaboxStateCalls() = default;
};

inline thread_local LlamaboxStateCalls *llamabox_state_calls = nullptr; // none: nobody collects

inline void llamabox_state_get(const ggml_tensor *tensor, void *to, std::size_t offset,
                               std::size_t n) {
  if (llamabox_state_calls != nullptr) {
    llamabox_state_calls->get(tensor, to, offset, n);
  } else {
    ggml_backend_tensor_get(tensor, to, offset, n);
  }
}

inline void llamabox_state_set(ggml_tensor *tensor, const void *from, std::size_t offset,
                               std::size_t n) {
  if (llamabox_state_calls != nullptr) {
    llamabox_state_calls->set(tensor, from, offset, n);
  } else {
    ggml_backend_tensor_set(tensor, from, offset, n);
  }
}

#ifdef LLAMABOX_COLLECTS_STATE
#define ggml_backend_tensor_get llamabox_state_get
#define ggml_backend_tensor_set llamabox_state_set
#endif
