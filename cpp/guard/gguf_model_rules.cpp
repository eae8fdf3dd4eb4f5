#include "guard/gguf_model_rules.h"

#include "guard/gguf_file.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <cmath>
#include <string_view>
#include <vector>

namespace llamabox {

namespace {

constexpr std::size_t kMaxArchitectureChars = 64;

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

// The keys of one architecture, and the file they are in.
class ModelKeys {
public:
  explicit ModelKeys(const GgufHeader &header)
      : header_(header), architecture_(gguf_architecture(header)) {}

  const std::string &architecture() const { return architecture_; }
  std::string name(std::string_view suffix) const {
    return architecture_ + "." + std::string(suffix);
  }

  [[noreturn]] void refuse(std::string_view suffix, const std::string &what) const {
    refuse_gguf(header_.path, "key " + quote_name(name(suffix)) + " " + what);
  }

  std::optional<std::uint64_t> find(std::string_view suffix) const {
    return optional_u32(header_, name(suffix));
  }

  std::uint64_t value_or(std::string_view suffix, std::uint64_t fallback) const {
    return find(suffix).value_or(fallback);
  }

  // A value that must be there.
  std::uint32_t required(std::string_view suffix, std::uint64_t limit) const {
    const std::optional<std::uint64_t> value = find(suffix);
    if (!value) {
      refuse(suffix, "is missing, so it is not a text model");
    }
    check_range(suffix, *value, 1, limit);
    return static_cast<std::uint32_t>(*value);
  }

  void check_range(std::string_view suffix, std::uint64_t value, std::uint64_t low,
                   std::uint64_t high) const {
    if (value < low || value > high) {
      refuse(suffix, "is " + std::to_string(value) + ", it must be from " + std::to_string(low) +
                         " to " + std::to_string(high));
    }
  }

  void check_optional(std::string_view suffix, std::uint64_t low, std::uint64_t high) const {
    if (const std::optional<std::uint64_t> value = find(suffix)) {
      check_range(suffix, *value, low, high);
    }
  }

  // One value per layer: a scalar repeated, an array of exactly n_layers, or nothing when absent.
  std::vector<std::uint64_t> per_layer(std::string_view suffix, std::uint32_t n_layers) const {
    const GgufValue *value = header_.find(name(suffix));
    if (value == nullptr) {
      return {};
    }
    if (value->type != GgufValueType::kArray) {
      return std::vector<std::uint64_t>(n_layers, find(suffix).value_or(0));
    }
    if (value->element_type != GgufValueType::kUint32 &&
        value->element_type != GgufValueType::kInt32) {
      refuse(suffix, "must hold numbers of type u32 or i32");
    }
    if (value->length != n_layers) {
      refuse(suffix, "has " + std::to_string(value->length) + " values for " +
                         std::to_string(n_layers) + " layers");
    }
    GgufFile file(header_.path);
    file.seek(value->position);
    std::vector<std::uint64_t> values(n_layers);
    for (std::uint64_t &entry : values) {
      entry = file.read_u32("the array of key " + quote_name(name(suffix)));
    }
    return values;
  }

  void check_float(std::string_view suffix, bool may_be_zero) const {
    const GgufValue *value = header_.find(name(suffix));
    if (value == nullptr) {
      return;
    }
    if (value->type != GgufValueType::kFloat32) {
      refuse(suffix,
             "must be of type f32, it is " + std::string(gguf_value_type_name(value->type)));
    }
    const float number = std::bit_cast<float>(static_cast<std::uint32_t>(value->bits));
    if (!std::isfinite(number) || number < 0.0F || (number == 0.0F && !may_be_zero)) {
      refuse(suffix, "is not a usable number (" + std::to_string(number) + ")");
    }
  }

  std::string text(std::string_view suffix) const { return optional_text(header_, name(suffix)); }
  const GgufHeader &header() const { return header_; }

private:
  const GgufHeader &header_;
  std::string architecture_;
};

std::uint64_t largest(const std::vector<std::uint64_t> &values) {
  return values.empty() ? 0 : *std::max_element(values.begin(), values.end());
}

void check_experts(const ModelKeys &keys, std::uint32_t n_layers) {
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
void check_head_counts(const ModelKeys &keys, std::uint32_t n_layers,
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
void check_rotary(const ModelKeys &keys, std::uint64_t n_embd_k) {
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

void check_attention(const ModelKeys &keys, const GgufModelSize &size) {
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

void check_recurrent(const ModelKeys &keys, std::uint32_t embedding_length) {
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
void check_sliding_window(const ModelKeys &keys, std::uint32_t n_layers) {
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

void check_rope(const ModelKeys &keys) {
  const std::string scaling = keys.text("rope.scaling.type");
  const bool has_scaling = keys.header().find(keys.name("rope.scaling.type")) != nullptr;
  if (has_scaling && scaling != "none" && scaling != "linear" && scaling != "yarn" &&
      scaling != "longrope") {
    keys.refuse("rope.scaling.type", "is the unknown kind " + quote_name(scaling));
  }
  keys.check_float("rope.freq_base", !contains(kUniformHeadArchitectures, keys.architecture()));
  keys.check_float("rope.scaling.factor", true);
}

void check_pooling(const ModelKeys &keys) {
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

std::optional<std::uint64_t> optional_u32(const GgufHeader &header, const std::string &key) {
  const GgufValue *value = header.find(key);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (value->type != GgufValueType::kUint32) {
    refuse_gguf(header.path, "key " + quote_name(key) + " must be of type u32, it is " +
                                 std::string(gguf_value_type_name(value->type)));
  }
  return value->bits;
}

std::string optional_text(const GgufHeader &header, const std::string &key) {
  const GgufValue *value = header.find(key);
  if (value == nullptr) {
    return {};
  }
  if (value->type != GgufValueType::kString) {
    refuse_gguf(header.path, "key " + quote_name(key) + " must be a string, it is of type " +
                                 std::string(gguf_value_type_name(value->type)));
  }
  return value->text;
}

std::string gguf_architecture(const GgufHeader &header) {
  if (header.find("general.architecture") == nullptr) {
    refuse_gguf(header.path, "key 'general.architecture' is missing");
  }
  const std::string name = optional_text(header, "general.architecture");
  const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  });
  if (name.empty() || name.size() > kMaxArchitectureChars || !plain) {
    refuse_gguf(header.path,
                "key 'general.architecture' is " + quote_name(name) + ", which is no name");
  }
  return name;
}

GgufModelSize check_model_hparams(const GgufHeader &header) {
  const ModelKeys keys(header);
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
