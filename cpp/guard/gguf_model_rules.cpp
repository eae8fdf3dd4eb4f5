#include "guard/gguf_model_rules.h"

#include "guard/gguf_file.h"
#include "guard/gguf_keys.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace llamabox {

namespace {

// Architectures whose graph asserts that keys, values and rotary dimensions have one size, and
// which attend in every layer.
constexpr std::array<std::string_view, 50> kUniformHeadArchitectures = {
    "llama",        "qwen2",    "qwen3",       "qwen2moe",     "qwen3moe",  "mistral3",
    "arcee",        "arctic",   "baichuan",    "codeshell",    "dbrx",      "deepseek",
    "dots1",        "dream",    "ernie4_5",    "ernie4_5-moe", "exaone",    "granite",
    "granitemoe",   "grok",     "hunyuan-moe", "internlm2",    "llada",     "llada-moe",
    "olmo",         "olmo2",    "olmoe",       "orion",        "plamo",     "rnd1",
    "seed_oss",     "smollm3",  "starcoder2",  "xverse",       "apertus",   "maincoder",
    "qwen2vl",      "qwen3vl",  "granite_swa", "llama4",       "exaone4",   "pangu-embedded",
    "smallthinker", "grovemoe", "cogvlm",      "chameleon",    "paddleocr", "qwen3vlmoe",
    "falcon",       "jais2"};

// Architectures that divide the inner size of their recurrent state by the number of groups.
constexpr std::array<std::string_view, 5> kGroupedStateArchitectures = {
    "mamba2", "granitehybrid", "nemotron_h", "nemotron_h_moe", "falcon-h1"};

// Architectures whose loader asserts that the state is twice as wide as the embedding.
constexpr std::array<std::string_view, 2> kDoubledStateArchitectures = {"granitehybrid", "jamba"};

template <std::size_t N>
bool contains(const std::array<std::string_view, N> &names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::uint64_t largest(const std::vector<std::uint64_t> &values) {
  return values.empty() ? 0 : *std::max_element(values.begin(), values.end());
}

void check_experts(const GgufKeys &keys, std::uint32_t n_layers) {
  const std::uint64_t n_expert = keys.value_or("expert_count", 0);
  keys.check_range("expert_count", n_expert, 0, kMaxExpertCount);
  const std::uint64_t n_used = largest(keys.per_layer("expert_used_count", n_layers));
  keys.check_range("expert_used_count", n_used, n_expert > 0 ? 1 : 0, n_expert);
  const std::uint64_t n_groups = keys.value_or("expert_group_count", 0);
  keys.check_range("expert_group_count", n_groups, 0, n_expert > 0 ? n_expert - 1 : 0);
  if (n_groups > 1) {
    if (n_expert % n_groups != 0) {
      keys.refuse("expert_group_count", "does not divide the number of experts");
    }
    keys.check_range("expert_group_used_count", keys.value_or("expert_group_used_count", 0), 1,
                     n_groups - 1);
  }
  keys.check_optional("expert_gating_func", 0, 4);
  if (keys.architecture() == "ernie4_5-moe") {
    keys.check_optional("interleave_moe_layer_step", 1, kMaxBlockCount);
  }
}

// Query heads must be whole multiples of the key/value heads they share.
void check_head_counts(const GgufKeys &keys, std::uint32_t n_layers,
                       const std::vector<std::uint64_t> &n_head) {
  const std::vector<std::uint64_t> given = keys.per_layer("attention.head_count_kv", n_layers);
  const std::vector<std::uint64_t> &n_head_kv = given.empty() ? n_head : given;
  const bool every_layer_attends = contains(kUniformHeadArchitectures, keys.architecture());
  for (std::uint32_t il = 0; il < n_layers; ++il) {
    const std::string layer = " in layer " + std::to_string(il);
    if (n_head[il] > kMaxHeadCount) {
      keys.refuse("attention.head_count", "is " + std::to_string(n_head[il]) + layer);
    }
    if (n_head_kv[il] > kMaxHeadCount) {
      keys.refuse("attention.head_count_kv", "is " + std::to_string(n_head_kv[il]) + layer);
    }
    if (every_layer_attends && (n_head[il] == 0 || n_head_kv[il] == 0)) {
      keys.refuse(n_head[il] == 0 ? "attention.head_count" : "attention.head_count_kv",
                  "is 0" + layer);
    }
    if (n_head[il] > 0 && n_head_kv[il] > 0 && n_head[il] % n_head_kv[il] != 0) {
      keys.refuse("attention.head_count_kv", "is " + std::to_string(n_head_kv[il]) + layer +
                                                 " and does not divide the " +
                                                 std::to_string(n_head[il]) + " query heads");
    }
  }
}

// Rotation works on pairs inside one head: an odd count aborts, none at all never ends.
void check_rotary(const GgufKeys &keys, std::uint64_t n_embd_k) {
  const std::uint64_t n_rot = keys.value_or("rope.dimension_count", n_embd_k);
  const std::uint64_t n_embd_k_swa = keys.value_or("attention.key_length_swa", n_embd_k);
  keys.check_range("attention.key_length_swa", n_embd_k_swa, 1, kMaxEmbeddingLength);
  keys.check_optional("attention.value_length_swa", 1, kMaxEmbeddingLength);
  keys.check_optional("rope.dimension_count", 2, n_embd_k);
  keys.check_range("rope.dimension_count_swa", keys.value_or("rope.dimension_count_swa", n_rot), 1,
                   n_embd_k_swa);
  for (const std::string_view suffix : {"rope.dimension_count", "rope.dimension_count_swa"}) {
    const std::uint64_t value = keys.value_or(suffix, 2);
    if (value < 2 || value % 2 != 0) {
      keys.refuse(suffix, "is " + std::to_string(value) + ", it must be even and not 0");
    }
  }
}

void check_attention(const GgufKeys &keys, const GgufModelSize &size) {
  std::vector<std::uint64_t> n_head = keys.per_layer("attention.head_count", size.block_count);
  if (n_head.empty()) {
    n_head.assign(size.block_count, 0);
  }
  check_head_counts(keys, size.block_count, n_head);
  if (n_head[0] == 0) {
    return; // the first layer is recurrent, and head sizes are derived from the first layer only
  }
  const std::optional<std::uint64_t> key_length = keys.find("attention.key_length");
  const std::optional<std::uint64_t> value_length = keys.find("attention.value_length");
  if ((!key_length || !value_length) && n_head[0] > size.embedding_length) {
    keys.refuse("attention.head_count", "is larger than the embedding length");
  }
  const bool uniform = contains(kUniformHeadArchitectures, keys.architecture());
  if (uniform && (!key_length || !value_length) && size.embedding_length % n_head[0] != 0) {
    keys.refuse("attention.head_count", "does not divide the embedding length");
  }
  const std::uint64_t derived = size.embedding_length / n_head[0];
  const std::uint64_t n_embd_k = key_length.value_or(derived);
  const std::uint64_t n_embd_v = value_length.value_or(derived);
  keys.check_range("attention.key_length", n_embd_k, 1, kMaxEmbeddingLength);
  keys.check_range("attention.value_length", n_embd_v, 1, kMaxEmbeddingLength);
  const std::uint64_t n_rot = keys.value_or("rope.dimension_count", n_embd_k);
  check_rotary(keys, n_embd_k);
  if (uniform && (n_embd_k != n_embd_v || n_embd_k != n_rot || n_rot % 2 != 0)) {
    keys.refuse("rope.dimension_count",
                "is " + std::to_string(n_rot) + " with heads of " + std::to_string(n_embd_k) +
                    " (key) and " + std::to_string(n_embd_v) +
                    " (value): this architecture needs one even size for all three");
  }
}

void check_recurrent(const GgufKeys &keys, std::uint32_t embedding_length) {
  if (contains(kDoubledStateArchitectures, keys.architecture()) &&
      keys.required("ssm.inner_size", kMaxEmbeddingLength) != 2 * std::uint64_t{embedding_length}) {
    keys.refuse("ssm.inner_size", "must be twice the embedding length");
  }
  if (!contains(kGroupedStateArchitectures, keys.architecture())) {
    return;
  }
  const std::uint64_t inner = keys.required("ssm.inner_size", kMaxEmbeddingLength);
  for (const std::string_view divisor : {"ssm.group_count", "ssm.time_step_rank"}) {
    if (inner % keys.required(divisor, kMaxEmbeddingLength) != 0) {
      keys.refuse(divisor, "does not divide the inner size of the state");
    }
  }
}

// A window that no layer uses is an assert. A pattern of 1 means that every layer sees everything.
void check_sliding_window(const GgufKeys &keys, std::uint32_t n_layers) {
  keys.check_optional("attention.sliding_window", 0, kMaxSlidingWindow);
  const std::string key = keys.name("attention.sliding_window_pattern");
  const GgufValue *pattern = keys.header().find(key);
  if (pattern == nullptr || keys.value_or("attention.sliding_window", 0) == 0) {
    return;
  }
  bool used = pattern->bits != 1;
  if (pattern->type == GgufValueType::kArray) {
    const std::uint32_t n_bytes = gguf_value_bytes(pattern->element_type);
    GgufFile file(keys.header().path);
    file.seek(pattern->position);
    used = false;
    for (std::uint64_t il = 0; il < std::min<std::uint64_t>(n_layers, pattern->length); ++il) {
      used = file.read_number(n_bytes, key) != 0 || used;
    }
  }
  if (!used) {
    keys.refuse("attention.sliding_window_pattern", "gives no layer the sliding window");
  }
}

void check_rope(const GgufKeys &keys) {
  const std::string scaling = keys.text("rope.scaling.type");
  const bool has_scaling = keys.header().find(keys.name("rope.scaling.type")) != nullptr;
  if (has_scaling && scaling != "none" && scaling != "linear" && scaling != "yarn" &&
      scaling != "longrope") {
    keys.refuse("rope.scaling.type", "is the unknown kind " + quote_name(scaling));
  }
  keys.check_float("rope.freq_base", !contains(kUniformHeadArchitectures, keys.architecture()));
  keys.check_float("rope.scaling.factor", true);
}

void check_pooling(const GgufKeys &keys) {
  keys.check_optional("pooling_type", 0, 4);
  keys.check_optional("classifier.pooling_type", 0, 4);
  const std::string activation = keys.text("classifier.activation");
  const bool has_activation = keys.header().find(keys.name("classifier.activation")) != nullptr;
  if (has_activation && activation != "gelu" && activation != "silu" && activation != "tanh") {
    keys.refuse("classifier.activation", "is the unknown kind " + quote_name(activation));
  }
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

// Kernels read norms, biases and short convolutions as F32 without looking at the type.
bool must_be_f32(const GgufTensor &tensor) {
  const std::string_view name = tensor.name;
  if (ends_with(name, ".bias") || ends_with(name, "_norm.weight") ||
      ends_with(name, "ssm_conv1d.weight")) {
    return true;
  }
  return tensor.n_dims <= 1 && ends_with(name, ".weight");
}

} // namespace

GgufModelSize check_model_hparams(const GgufHeader &header) {
  const GgufKeys keys(header);
  const std::string kind = optional_text(header, "general.type");
  if (keys.architecture() == "clip" || kind == "mmproj") {
    refuse_gguf(header.path, "it is a multimodal projector, not a text model");
  }
  if (kind == "adapter" || keys.architecture() == "controlvector") {
    refuse_gguf(header.path, "it is an adapter or a control vector, not a text model");
  }
  GgufModelSize size;
  size.block_count = keys.required("block_count", kMaxBlockCount);
  size.context_length = keys.required("context_length", kMaxContextLength);
  size.embedding_length = keys.required("embedding_length", kMaxEmbeddingLength);
  keys.check_optional("nextn_predict_layers", 0, size.block_count - 1);
  keys.check_optional("vocab_size", 1, kMaxVocabSize);
  check_sliding_window(keys, size.block_count);
  check_experts(keys, size.block_count);
  check_attention(keys, size);
  check_recurrent(keys, size.embedding_length);
  check_rope(keys);
  check_pooling(keys);
  for (const std::string_view epsilon :
       {"attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon",
        "attention.group_norm_epsilon"}) {
    keys.check_float(epsilon, true);
  }
  return size;
}

void check_model_tensors(const GgufHeader &header) {
  for (const GgufTensor &tensor : header.tensors) {
    const std::string label =
        "tensor " + quote_name(tensor.name) + " of type " + std::string(tensor.type->name);
    if (must_be_f32(tensor) && tensor.type->use != TensorUse::kPlain) {
      refuse_gguf(header.path, label + " must be f32 where it stands");
    }
    // The one weight table of integers that exists maps token ids to experts.
    const bool is_weight =
        ends_with(tensor.name, ".weight") && !ends_with(tensor.name, "tid2eid.weight");
    if (is_weight && tensor.type->use == TensorUse::kNotWeight) {
      refuse_gguf(header.path, label + " cannot be computed with");
    }
  }
}

} // namespace llamabox
