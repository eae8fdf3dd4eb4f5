#include "llama/context_params.h"

#include "base/error.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>

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

// Of all sequences together: beyond it a step is so full that drafts do not pay.
constexpr std::int64_t kMostDraftRows = 256;

// A prompt whose tokens are scored is read in chunks of about so many rows at least.
constexpr std::int64_t kLeastOutputs = 32;

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

void check_float(const char *option, const std::optional<float> &value, float least) {
  if (value && !(std::isfinite(*value) && *value >= least)) {
    refuse(option, std::string(option) + " " + std::to_string(*value) +
                       " is not a finite number of at least " + std::to_string(least));
  }
}

void check_rope(const RopeParams &rope) {
  // Angles are multiplied with these; nothing of a prompt is left at 0.
  constexpr float kLeast = 1e-6F;
  check_float("rope-freq-base", rope.freq_base, kLeast);
  check_float("rope-freq-scale", rope.freq_scale, kLeast);
  check_float("yarn-ext-factor", rope.yarn_ext_factor, 0);
  check_float("yarn-attn-factor", rope.yarn_attn_factor, 0);
  check_float("yarn-beta-fast", rope.yarn_beta_fast, 0);
  check_float("yarn-beta-slow", rope.yarn_beta_slow, 0);
  check_range("yarn-orig-ctx", rope.yarn_orig_ctx.value_or(0), 0, 1 << 30);
}

llama_rope_scaling_type scaling_type(RopeScaling scaling) {
  switch (scaling) {
  case RopeScaling::kNone:
    return LLAMA_ROPE_SCALING_TYPE_NONE;
  case RopeScaling::kLinear:
    return LLAMA_ROPE_SCALING_TYPE_LINEAR;
  case RopeScaling::kYarn:
    return LLAMA_ROPE_SCALING_TYPE_YARN;
  case RopeScaling::kModel:
    break;
  }
  return LLAMA_ROPE_SCALING_TYPE_UNSPECIFIED;
}

void take_rope(const RopeParams &rope, llama_context_params &upstream) {
  upstream.rope_scaling_type = scaling_type(rope.scaling);
  upstream.rope_freq_base = rope.freq_base.value_or(upstream.rope_freq_base);
  upstream.rope_freq_scale = rope.freq_scale.value_or(upstream.rope_freq_scale);
  upstream.yarn_ext_factor = rope.yarn_ext_factor.value_or(upstream.yarn_ext_factor);
  upstream.yarn_attn_factor = rope.yarn_attn_factor.value_or(upstream.yarn_attn_factor);
  upstream.yarn_beta_fast = rope.yarn_beta_fast.value_or(upstream.yarn_beta_fast);
  upstream.yarn_beta_slow = rope.yarn_beta_slow.value_or(upstream.yarn_beta_slow);
  upstream.yarn_orig_ctx = static_cast<std::uint32_t>(rope.yarn_orig_ctx.value_or(0));
}

} // namespace

void check_context_params(const llama_model *model, const ContextParams &params) {
  constexpr std::int32_t kMaxTokens = 1 << 30;
  const auto max_slots = static_cast<std::int64_t>(llama_max_parallel_sequences());
  check_range("parallel", params.n_slots, 1, max_slots);
  check_range("ctx-size", params.n_ctx, 0, kMaxTokens);
  check_range("batch-size", params.n_batch, 1, kMaxTokens);
  check_range("ubatch-size", params.n_ubatch, 1, kMaxTokens);
  check_range("threads", params.n_threads, 0, GGML_MAX_N_THREADS);
  check_range("threads-batch", params.n_threads_batch, 0, GGML_MAX_N_THREADS);
  check_rope(params.rope);
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

std::int32_t n_sequence_ids(const llama_model *model, const ContextParams &params) {
  // In split memory an id is a buffer of cells, in recurrent memory a state, whether used or not.
  if (!params.kv_unified || llama_model_is_recurrent(model) || llama_model_is_hybrid(model)) {
    return params.n_slots;
  }
  // An id of unified memory is a bit of each cell. What it costs is a row of logits in two buffers,
  // and upstream compares all ids with each other at every batch.
  constexpr std::int64_t kMaxSpareIds = 60;
  constexpr std::int64_t kMaxLogitsBytes = std::int64_t{64} << 20;
  const std::int64_t n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));
  const auto n_bytes = 2 * n_vocab * static_cast<std::int64_t>(sizeof(float));
  std::int64_t n_spare = std::clamp<std::int64_t>(kMaxLogitsBytes / n_bytes, 4, kMaxSpareIds);
  if (llama_model_n_swa(model) > 0 && !params.swa_full) {
    n_spare = std::min<std::int64_t>(n_spare, params.n_slots); // each has a window of cells
  }
  const std::int32_t n_ctx = params.n_ctx > 0 ? params.n_ctx : llama_model_n_ctx_train(model);
  const auto n_max = static_cast<std::int64_t>(llama_max_parallel_sequences());
  const std::int64_t n_rows = std::min(params.n_batch, n_ctx); // of a batch, and of its outputs
  return static_cast<std::int32_t>(
      std::max<std::int64_t>(params.n_slots, std::min({params.n_slots + n_spare, n_max, n_rows})));
}

llama_context_params upstream_context_params(const ContextParams &params) {
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
  take_rope(params.rope, upstream);
  if (ggml_is_quantized(upstream.type_v) && params.flash_attn == FlashAttn::kOff) {
    refuse("cache-type-v", "cache-type-v '" + params.cache_type_v +
                               "' needs flash attention, which is switched off");
  }
  return upstream;
}

llama_context_params sized_context_params(const llama_model *model, const ContextParams &params) {
  llama_context_params upstream = upstream_context_params(params);
  // Upstream keeps n_vocab floats for each row that may ask for logits, twice (compute buffer and
  // result): with the default of n_batch rows this is gigabytes for a large vocabulary.
  const std::int32_t n_ctx = params.n_ctx > 0 ? params.n_ctx : llama_model_n_ctx_train(model);
  const std::int64_t n_drafted =
      std::min(std::int64_t{params.n_slots} * params.n_draft_max, kMostDraftRows);
  const std::int64_t wanted = std::max(params.n_slots + n_drafted, kLeastOutputs);
  const std::int32_t n_seqs = n_sequence_ids(model, params);
  upstream.n_seq_max = static_cast<std::uint32_t>(n_seqs);
  // Upstream wants as many as there are ids.
  upstream.n_outputs_max = static_cast<std::uint32_t>(std::max(
      n_seqs, static_cast<std::int32_t>(std::min<std::int64_t>({wanted, params.n_batch, n_ctx}))));
  return upstream;
}

} // namespace llamabox
