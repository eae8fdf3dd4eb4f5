#include "llama/threadpool.h"

#include "base/error.h"

namespace llamabox {
namespace {

using New = ggml_threadpool_t (*)(ggml_threadpool_params *);

template <class Function> Function cpu_function(const char *name) {
  ggml_backend_dev_t dev = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
  void *address = dev == nullptr
                      ? nullptr
                      : ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(dev), name);
  if (address == nullptr) {
    throw Error(ErrorCode::kLoadFailed, std::string("the CPU backend lacks ") + name);
  }
  return reinterpret_cast<Function>(address);
}

} // namespace

Threadpools::Threadpools(const ThreadpoolParams &params) {
  const New create = cpu_function<New>("ggml_threadpool_new");
  free_ = cpu_function<Free>("ggml_threadpool_free");

  ggml_threadpool_params single = ggml_threadpool_params_default(params.n_threads);
  ggml_threadpool_params batch = ggml_threadpool_params_default(params.n_threads_batch);
  single.poll = static_cast<std::uint32_t>(params.poll);
  batch.poll = single.poll;
  if (!ggml_threadpool_params_match(&single, &batch)) {
    batch_ = create(&batch);
    // Only one of the two works at a time; the first step that wants this one wakes it.
    single.paused = true;
  }
  single_ = create(&single);
  if (single_ == nullptr) {
    throw Error(ErrorCode::kLoadFailed, "cannot start the compute threads");
  }
}

Threadpools::~Threadpools() {
  if (single_ != nullptr) {
    free_(single_);
  }
  if (batch_ != nullptr) {
    free_(batch_);
  }
}

void Threadpools::attach(llama_context *context) const {
  llama_attach_threadpool(context, single_, batch_);
}

} // namespace llamabox
