#include "llama/model.h"

#include "base/error.h"
#include "guard/gguf_check.h"
#include "llama/device.h"
#include "llama/model_params.h"
#include "llama/upstream_log.h"

#include <exception>
#include <string>
#include <vector>

namespace llamabox {
namespace {

[[noreturn]] void refuse(const std::string &path, const std::string &reason) {
  throw Error(ErrorCode::kLoadFailed, "cannot load model '" + path + "': " + reason, "model");
}

std::string meta_string(const llama_model *model, const char *key) {
  std::vector<char> buffer(256);
  for (;;) {
    const int n = llama_model_meta_val_str(model, key, buffer.data(), buffer.size());
    if (n < 0) {
      return {};
    }
    if (static_cast<std::size_t>(n) < buffer.size()) {
      return {buffer.data(), static_cast<std::size_t>(n)};
    }
    buffer.resize(static_cast<std::size_t>(n) + 1);
  }
}

const char *vocab_type_name(const llama_vocab *vocab) {
  switch (llama_vocab_type(vocab)) {
  case LLAMA_VOCAB_TYPE_SPM:
    return "spm";
  case LLAMA_VOCAB_TYPE_BPE:
    return "bpe";
  case LLAMA_VOCAB_TYPE_WPM:
    return "wpm";
  case LLAMA_VOCAB_TYPE_UGM:
    return "ugm";
  case LLAMA_VOCAB_TYPE_RWKV:
    return "rwkv";
  case LLAMA_VOCAB_TYPE_PLAMO2:
    return "plamo2";
  case LLAMA_VOCAB_TYPE_PLAMO3:
    return "plamo3";
  default:
    return "none";
  }
}

ggml_numa_strategy numa_strategy(Numa numa) {
  switch (numa) {
  case Numa::kDistribute:
    return GGML_NUMA_STRATEGY_DISTRIBUTE;
  case Numa::kIsolate:
    return GGML_NUMA_STRATEGY_ISOLATE;
  case Numa::kNumactl:
    return GGML_NUMA_STRATEGY_NUMACTL;
  case Numa::kOff:
    break;
  }
  return GGML_NUMA_STRATEGY_DISABLED;
}

} // namespace

LoadedModel::LoadedModel(const ModelParams &params) {
  check_gguf(params.model_path, params.overrides);
  init_backends();
  llama_numa_init(numa_strategy(params.numa));
  const UpstreamModelParams upstream(params);

  const LogCapture capture;
  std::string reason;
  try {
    model_.reset(llama_model_load_from_file(params.model_path.c_str(), upstream.get()));
    reason = capture.first_error();
  } catch (const std::exception &error) {
    reason = error.what();
  }
  if (!model_) {
    refuse(params.model_path, reason.empty() ? "llama.cpp gave no reason" : reason);
  }
  if (llama_vocab_type(vocab()) == LLAMA_VOCAB_TYPE_NONE) {
    refuse(params.model_path, "it has no vocabulary");
  }
}

ModelInfo LoadedModel::info() const {
  const llama_model *model = model_.get();
  ModelInfo info;
  info.architecture = meta_string(model, "general.architecture");
  info.name = meta_string(model, "general.name");
  info.vocab_type = vocab_type_name(vocab());
  info.n_vocab = llama_vocab_n_tokens(vocab());
  info.n_ctx_train = llama_model_n_ctx_train(model);
  info.n_embd = llama_model_n_embd(model);
  info.n_params = llama_model_n_params(model);
  info.size_bytes = llama_model_size(model);
  if (const char *chat_template = llama_model_chat_template(model, nullptr)) {
    info.chat_template = chat_template;
  }
  return info;
}

} // namespace llamabox
