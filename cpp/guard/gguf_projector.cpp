#include "guard/gguf_projector.h"

#include "guard/gguf_file.h"
#include "guard/gguf_header.h"
#include "guard/gguf_keys.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace llamabox {
namespace {

// A key that libmtmd computes with, and what no projector there is goes beyond.
struct KeyRange {
  std::string_view key;
  std::uint64_t low;
  std::uint64_t high;
};

constexpr std::uint64_t kMaxWidth = 65'536;
constexpr std::uint64_t kMaxImageSize = 16'384;
constexpr std::uint64_t kMaxPixels = std::uint64_t{1} << 28U;

// Of each encoder, behind "vision." or "audio.".
constexpr std::array kRequired = {
    KeyRange{"embedding_length", 1, kMaxWidth},  KeyRange{"attention.head_count", 1, 1024},
    KeyRange{"feed_forward_length", 0, 1 << 20}, KeyRange{"block_count", 0, 512},
    KeyRange{"projection_dim", 0, kMaxWidth},
};

constexpr std::array kOptional = {
    KeyRange{"vision.preproc_image_size", 1, kMaxImageSize},
    KeyRange{"vision.preproc_min_tiles", 0, 256},
    KeyRange{"vision.preproc_max_tiles", 1, 256},
    KeyRange{"vision.image_min_pixels", 0, kMaxPixels},
    KeyRange{"vision.image_max_pixels", 1, kMaxPixels},
    KeyRange{"vision.projector.scale_factor", 1, 64},
    KeyRange{"vision.projector.query_side", 1, 1024},
    KeyRange{"vision.projector.window_side", 1, 1024},
    KeyRange{"vision.spatial_merge_size", 1, 64},
    KeyRange{"vision.window_size", 1, kMaxImageSize},
    KeyRange{"vision.sam.head_count", 1, 1024},
    KeyRange{"vision.sam.block_count", 1, 512},
    KeyRange{"vision.sam.embedding_length", 1, kMaxWidth},
    KeyRange{"vision.expert_used_count", 1, 1024},
    KeyRange{"vision.attention.head_count_kv", 1, 1024},
    KeyRange{"vision.attention.head_dim", 1, 4096},
    KeyRange{"audio.attention.head_count_kv", 1, 1024},
    KeyRange{"audio.attention.head_dim", 1, 4096},
    KeyRange{"audio.projector.stack_factor", 1, 1024},
    KeyRange{"audio.projector.window_size", 1, 65'536},
    KeyRange{"audio.projector.downsample_rate", 1, 1024},
    KeyRange{"audio.projector.head_count", 1, 1024},
    KeyRange{"audio.chunk_size", 1, 8192},
    KeyRange{"audio.conv_kernel_size", 1, 1023},
    KeyRange{"audio.max_pos_emb", 1, 1 << 20},
};

bool is_set(const GgufHeader &header, const std::string &key) {
  const GgufValue *value = header.find(key);
  return value != nullptr && value->type == GgufValueType::kBool && value->bits != 0;
}

std::uint64_t in_range(const GgufKeys &keys, const std::string &key, std::uint64_t low,
                       std::uint64_t high) {
  const std::optional<std::uint64_t> value = keys.find(key);
  if (!value) {
    keys.refuse(key, "is missing");
  }
  keys.check_range(key, *value, low, high);
  return *value;
}

void check_encoder(const GgufKeys &keys, const std::string &prefix) {
  for (const KeyRange &range : kRequired) {
    in_range(keys, prefix + std::string(range.key), range.low, range.high);
  }
  const std::uint64_t width = keys.value_or(prefix + "embedding_length", 0);
  const std::uint64_t n_heads = keys.value_or(prefix + "attention.head_count", 1);
  if (width % n_heads != 0 && !keys.find(prefix + "attention.head_dim")) {
    keys.refuse(prefix + "attention.head_count", "does not divide the embedding length");
  }
}

// Patches a side of MobileVLM's projectors, and the width of a head of MiniCPM-V's.
constexpr std::uint64_t kMobilePatches = 24;
constexpr std::uint64_t kResamplerHead = 128;

// libmtmd's own default of how many patches a side are pooled.
constexpr std::uint64_t kDefaultScale = 4;

std::uint64_t fixed_rows(const GgufKeys &keys) {
  const std::uint64_t patch = keys.value_or("vision.patch_size", 1) *
                              keys.value_or("vision.projector.scale_factor", kDefaultScale);
  const std::uint64_t side = keys.value_or("vision.image_size", 0) / patch;
  return side * side;
}

std::string vision_type(const GgufKeys &keys) {
  const std::string type = keys.text("projector_type");
  return type.empty() ? keys.text("vision.projector_type") : type;
}

// What libmtmd takes for granted of some types, and ends the process where it is not so.
void check_type(const GgufKeys &keys) {
  const std::string type = vision_type(keys);
  // With windows of one layer the graph lacks an input that libmtmd then asks for.
  if ((type == "qwen2.5vl_merger" || type == "qwen2.5o") &&
      keys.value_or("vision.n_wa_pattern", 0) == 1) {
    keys.refuse("vision.n_wa_pattern", "is 1, which this projector cannot be run with");
  }
  const std::uint64_t n_patches =
      keys.value_or("vision.image_size", 0) / keys.value_or("vision.patch_size", 1);
  if ((type == "ldp" || type == "ldpv2") && n_patches != kMobilePatches) {
    keys.refuse("vision.image_size", "does not give 24 patches a side, as this projector needs");
  }
  const GgufValue *version = keys.header().find(keys.name("minicpmv_version"));
  if (version != nullptr && version->type != GgufValueType::kInt32) {
    keys.refuse("minicpmv_version", "is not of type i32");
  }
  if (type == "resampler" && keys.value_or("vision.projection_dim", 0) % kResamplerHead != 0) {
    keys.refuse("vision.projection_dim", "is no multiple of 128, the width of its heads");
  }
}

void check_vision(const GgufKeys &keys) {
  check_encoder(keys, "vision.");
  const std::uint64_t size = in_range(keys, "vision.image_size", 1, kMaxImageSize);
  in_range(keys, "vision.patch_size", 1, size);
  const std::uint64_t n_min = keys.value_or("vision.preproc_min_tiles", 0);
  const std::uint64_t n_max = keys.value_or("vision.preproc_max_tiles", n_min);
  if (n_max < n_min) {
    keys.refuse("vision.preproc_max_tiles", "is less than the least number of tiles");
  }
  for (const char *name : {"vision.image_mean", "vision.image_std"}) {
    const GgufValue *value = keys.header().find(keys.name(name));
    if (value == nullptr || !value->is_array_of(GgufValueType::kFloat32) || value->length < 3) {
      keys.refuse(name, "is not three numbers of type f32");
    }
  }
  check_type(keys);
}

} // namespace

ProjectorReport check_projector(const std::string &path) {
  const GgufHeader header = read_gguf_header(path);
  const GgufKeys keys(header);
  if (keys.architecture() != "clip") {
    refuse_gguf(path, "its architecture is " + quote_name(keys.architecture()) +
                          ", not 'clip': it is no projector");
  }
  ProjectorReport report;
  report.sees_images = is_set(header, "clip.has_vision_encoder");
  report.hears_audio = is_set(header, "clip.has_audio_encoder");
  if (!report.sees_images && !report.hears_audio) {
    refuse_gguf(path, "it has neither a vision nor an audio encoder");
  }
  if (header.tensors.empty()) {
    refuse_gguf(path, "it holds no tensors");
  }
  if (report.sees_images) {
    check_vision(keys);
  }
  if (report.hears_audio) {
    check_encoder(keys, "audio.");
    in_range(keys, "audio.num_mel_bins", 1, 4096);
  }
  for (const KeyRange &range : kOptional) {
    keys.check_optional(range.key, range.low, range.high);
  }
  report.n_fixed_rows = report.sees_images ? fixed_rows(keys) : 0;
  return report;
}

} // namespace llamabox
