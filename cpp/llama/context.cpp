#include "llama/context.h"

#include "base/error.h"
#include "llama/upstream_log.h"

#include "common.h"

#include <algorithm>
#include <array>
#include <exception>
#include <string>
#include <thread>

namespace llamabox {
namespace {

struct CacheType {
  const char *name;
  ggml_type type;
};

constexpr std::array<CacheType, 9> kCacheTypes = {{{"f32", GGML_TYPE_F32},
                                                   {"f16", GGML_TYPE_F16},
                                                   {"bf16", GGML_TYPE_BF16},
                                                   {"q8_0", GGML_TYPE_Q8_0},
                                                   {"q4_0", GGML_TYPE_Q4_0},
                                                   {"q4_1", GGML_TYPE_Q4_1},
                                                   {"iq4_nl", GGML_TYPE_IQ4_NL},
                                                   {"q5_0", GGML_TYPE_Q5_0},
                                                   {"q5_1", GGML_TYPE_Q5_1}}};

[[noreturn]] void refuse(const char *option, const std::string &sentence) {
  throw Error(ErrorCode::kLoadFailed, sentence, option);
}

void check_range(const char *option, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value < least || value > most) {
    refuse(option, std::string(option) + " " + std::to_string(value) + " is not within " +
                       std::to_string(least) + " and " + std::to_string(most));
  }
}

ggml_type cache_type(const char *option, const std::string &name) {
  std::string names;
  for (const CacheType &known : kCacheTypes) {
    if (name == known.name) {
      return known.type;
    }
    names += std::string(names.empty() ? "" : ", ") + known.name;
  }
  refuse(option, std::string(option) + " '" + name + "' is not one of " + names);
}

llama_flash_attn_type flash_attn_type(FlashAttn value) {
  switch (value) {
  case FlashAttn::kOff:
    return LLAMA_FLASH_ATTN_TYPE_DISABLED;
  case FlashAttn::kOn:
    return LLAMA_FLASH_ATTN_TYPE_ENABLED;
  case FlashAttn::kAuto:
    break;
  }
  return LLAMA_FLASH_ATTN_TYPE_AUTO;
}

std::int32_t default_threads() {
  const auto allowed = static_cast<std::int32_t>(std::thread::hardware_concurrency());
  const std::int32_t physical = common_cpu_get_num_math();
  return std::max(1, allowed > 0 ? std::min(physical, allowed) : physical);
}

// Causal text models only: others have no memory of sequences, or need a second pass.
void check_model(const llama_model *model) {
  if (llama_model_has_encoder(model) || !llama_model_has_decoder(model) ||
      llama_model_is_diffusion(model)) {
    refuse("model", "the model cannot generate text token by token: it is an encoder, an "
                    "encoder-decoder or a diffusion model");
  }
}

void check_params(const llama_model *model, const ContextParams &params) {
  constexpr std::int32_t kMaxTokens = 1 << 30;
  const auto max_slots = static_cast<std::int64_t>(llama_max_parallel_sequences());
  check_range("parallel", params.n_slots, 1, max_slots);
  check_range("ctx-size", params.n_ctx, 0, kMaxTokens);
  check_range("batch-size", params.n_batch, 1, kMaxTokens);
  check_range("ubatch-size", params.n_ubatch, 1, kMaxTokens);
  check_range("threads", params.n_threads, 0, GGML_MAX_N_THREADS);
  check_range("threads-batch", params.n_threads_batch, 0, GGML_MAX_N_THREADS);
  check_range("poll", params.poll, 0, 100);
  check_range("draft-max", params.n_draft_max, 0, kMaxTokens);

  const std::int32_t n_ctx = params.n_ctx > 0 ? params.n_ctx : llama_model_n_ctx_train(model);
  if (n_ctx <= 0) {
    refuse("ctx-size", "ctx-size is needed: the model does not say its own context length");
  }
  // Each slot adds a row to a step, and no batch can be larger than the context.
  const std::int32_t n_batch = std::min(params.n_batch, n_ctx);
  if (n_batch < params.n_slots) {
    refuse(params.n_batch < params.n_slots ? "batch-size" : "ctx-size",
           "batch-size and ctx-size must be at least the number of slots, " +
               std::to_string(params.n_slots));
  }
}

llama_context_params upstream_params(const ContextParams &params) {
  llama_context_params upstream = llama_context_default_params();
  upstream.n_ctx = static_cast<std::uint32_t>(params.n_ctx);
  upstream.n_batch = static_cast<std::uint32_t>(params.n_batch);
  upstream.n_ubatch = static_cast<std::uint32_t>(params.n_ubatch);
  upstream.n_seq_max = static_cast<std::uint32_t>(params.n_slots);
  upstream.n_threads = params.n_threads;
  upstream.n_threads_batch = params.n_threads_batch;
  upstream.flash_attn_type = flash_attn_type(params.flash_attn);
  upstream.type_k = cache_type("cache-type-k", params.cache_type_k);
  upstream.type_v = cache_type("cache-type-v", params.cache_type_v);
  upstream.offload_kqv = params.kv_offload;
  upstream.swa_full = params.swa_full;
  upstream.kv_unified = params.kv_unified;
  upstream.no_perf = true;
  if (ggml_is_quantized(upstream.type_v) && params.flash_attn == FlashAttn::kOff) {
    refuse("cache-type-v", "cache-type-v '" + params.cache_type_v +
                               "' needs flash attention, which is switched off");
  }
  return upstream;
}

} // namespace

LoadedContext::LoadedContext(const LoadedModel &model, const ContextParams &params)
    : params_(params) {
  check_model(model.get());
  check_params(model.get(), params_);
  if (params_.n_threads == 0) {
    params_.n_threads = default_threads();
  }
  if (params_.n_threads_batch == 0) {
    params_.n_threads_batch = params_.n_threads;
  }

  llama_context_params upstream = upstream_params(params_);
  // Upstream keeps n_vocab floats for each row that may ask for logits, twice (compute buffer and
  // result): with the default of n_batch rows this is gigabytes for a large vocabulary.
  const std::int32_t n_ctx =
      params_.n_ctx > 0 ? params_.n_ctx : llama_model_n_ctx_train(model.get());
  const std::int64_t wanted =
      std::int64_t{params_.n_slots} * (1 + std::int64_t{params_.n_draft_max});
  n_outputs_max_ =
      static_cast<std::int32_t>(std::min<std::int64_t>({wanted, params_.n_batch, n_ctx}));
  upstream.n_outputs_max = static_cast<std::uint32_t>(n_outputs_max_);

  const LogCapture capture;
  std::string reason;
  try {
    threads_ = std::make_unique<Threadpools>(
        ThreadpoolParams{params_.n_threads, params_.n_threads_batch, params_.poll});
    context_.reset(llama_init_from_model(model.get(), upstream));
    reason = capture.first_error();
  } catch (const Error &) {
    throw;
  } catch (const std::exception &error) {
    reason = error.what();
  }
  if (!context_) {
    throw Error(ErrorCode::kLoadFailed,
                "cannot create the context: " +
                    (reason.empty() ? std::string("llama.cpp gave no reason") : reason));
  }
  if (llama_get_memory(context_.get()) == nullptr) {
    refuse("model", "the model keeps no memory of a sequence, so it cannot generate text");
  }
  threads_->attach(context_.get());
}

void LoadedContext::warm_up(const LoadedModel &model) {
  const llama_vocab *vocab = model.vocab();
  const llama_token bos = llama_vocab_bos(vocab);
  const llama_token eos = llama_vocab_eos(vocab);
  std::array<llama_token, 2> tokens = {bos == LLAMA_TOKEN_NULL ? 0 : bos,
                                       eos == LLAMA_TOKEN_NULL ? 0 : eos};
  const auto n_batch = static_cast<std::int32_t>(llama_n_batch(context_.get()));
  const std::int32_t status = llama_decode(
      context_.get(), llama_batch_get_one(tokens.data(), std::min<std::int32_t>(2, n_batch)));
  if (status != 0) {
    throw Error(ErrorCode::kLoadFailed,
                "the first run of the model failed with code " + std::to_string(status));
  }
  llama_synchronize(context_.get());
  llama_memory_clear(llama_get_memory(context_.get()), false);
}

} // namespace llamabox
