#include "guard/image_family.h"

#include "guard/gguf_file.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

namespace llamabox {
namespace {

constexpr std::string_view kDiffusion = "model.diffusion_model.";

enum Trait : unsigned { kPlain = 0, kDit = 1, kInpaint = 2, kEdit = 4, kLlm = 8 };

constexpr ImageFamily family(std::string_view name, unsigned traits) {
  return {name, (traits & kDit) != 0, (traits & kInpaint) != 0, (traits & kEdit) != 0,
          (traits & kLlm) != 0};
}

// A tensor that only one family has.
struct Mark {
  std::string_view part_of_name;
  ImageFamily family;
};

constexpr std::array kMarks{
    Mark{"model.diffusion_model.nerf_final_layer_conv.", family("chroma-radiance", kDit)},
    Mark{"model.diffusion_model.joint_blocks.", family("sd3", kDit)},
    Mark{"model.diffusion_model.transformer_blocks.0.img_mod.1.weight",
         family("qwen-image", kDit | kLlm)},
    Mark{"llm_adapter.blocks.0.cross_attn.q_proj.weight", family("anima", kDit | kLlm)},
    Mark{"model.diffusion_model.double_blocks.0.img_mlp.gate_proj.weight",
         family("ovis-image", kDit | kLlm)},
    Mark{"model.diffusion_model.cap_embedder.0.weight", family("z-image", kDit | kLlm)},
    Mark{"model.diffusion_model.layers.0.adaLN_sa_ln.weight", family("ernie-image", kDit | kLlm)},
    Mark{"model.diffusion_model.double_stream_modulation_img.lin.weight",
         family("flux2", kDit | kEdit | kLlm)}};

// What makes video.
constexpr std::array<std::string_view, 2> kVideoMarks{
    "model.diffusion_model.input_blocks.8.0.time_mixer.mix_factor",
    "model.diffusion_model.blocks.0.cross_attn.norm_k.weight"};

constexpr std::array<std::string_view, 3> kInputs{"model.diffusion_model.input_blocks.0.0.weight",
                                                  "model.diffusion_model.img_in.weight",
                                                  "unet.conv_in.weight"};

constexpr std::array<std::string_view, 5> kTokenTables{
    "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight",
    "cond_stage_model.model.token_embedding.weight",
    "te.text_model.embeddings.token_embedding.weight",
    "conditioner.embedders.0.model.token_embedding.weight",
    "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight"};

// A family whose kinds differ by the width of what goes into the diffusion model.
struct Kind {
  std::uint64_t width; // 0: any other
  ImageFamily family;
};

constexpr std::array kFlux{
    Kind{384, family("flux-fill", kDit | kInpaint)}, Kind{128, family("flux-controls", kDit)},
    Kind{196, family("flex2", kDit | kInpaint)}, Kind{0, family("flux", kDit)}};
constexpr std::array kSdxl{Kind{9, family("sdxl-inpaint", kInpaint)},
                           Kind{8, family("sdxl-pix2pix", kEdit)}, Kind{0, family("sdxl", kPlain)}};
constexpr std::array kSd1{Kind{9, family("sd1-inpaint", kInpaint)},
                          Kind{8, family("sd1-pix2pix", kEdit)}, Kind{0, family("sd1", kPlain)}};
constexpr std::array kSd2{Kind{9, family("sd2-inpaint", kInpaint)}, Kind{0, family("sd2", kPlain)}};

class Names {
public:
  explicit Names(const std::vector<ImageTensor> &tensors) : tensors_(tensors) {}

  bool any_holds(std::string_view part) const {
    return std::any_of(tensors_.begin(), tensors_.end(), [part](const ImageTensor &tensor) {
      return tensor.name.find(part) != std::string::npos;
    });
  }

  template <std::size_t N>
  std::optional<ImageTensor> one_of(const std::array<std::string_view, N> &names) const {
    for (const ImageTensor &tensor : tensors_) {
      if (std::find(names.begin(), names.end(), tensor.name) != names.end()) {
        return tensor;
      }
    }
    return std::nullopt;
  }

private:
  const std::vector<ImageTensor> &tensors_;
};

template <std::size_t N>
const ImageFamily &kind_of(const std::array<Kind, N> &kinds, std::uint64_t width) {
  for (const Kind &kind : kinds) {
    if (kind.width == width || kind.width == 0) {
      return kind.family;
    }
  }
  return kinds.back().family;
}

} // namespace

bool is_bare_diffusion_model(const ImageFile &file) {
  constexpr std::array<std::string_view, 4> kParts{kDiffusion, "unet.", "first_stage_model.",
                                                   "cond_stage_model."};
  return std::none_of(file.tensors.begin(), file.tensors.end(), [&](const ImageTensor &tensor) {
    return std::any_of(kParts.begin(), kParts.end(),
                       [&](std::string_view part) { return tensor.name.starts_with(part); });
  });
}

const ImageFamily &image_family(const std::string &path, const std::vector<ImageTensor> &tensors) {
  const Names names(tensors);
  for (const std::string_view mark : kVideoMarks) {
    if (names.any_holds(mark)) {
      refuse_gguf(path, "it makes video, which this version does not serve");
    }
  }
  for (const Mark &mark : kMarks) {
    if (names.any_holds(mark.part_of_name)) {
      return mark.family;
    }
  }
  const std::optional<ImageTensor> input = names.one_of(kInputs);
  if (names.any_holds("model.diffusion_model.double_blocks.")) {
    return kind_of(kFlux, input ? input->dims[0] : 0);
  }
  const bool is_unet = names.any_holds("model.diffusion_model.input_blocks.") ||
                       names.any_holds("unet.down_blocks.");
  const std::uint64_t n_channels = input ? input->dims[2] : 0;
  if (is_unet && (names.any_holds("conditioner.embedders.1") ||
                  names.any_holds("cond_stage_model.1") || names.any_holds("te.1"))) {
    return kind_of(kSdxl, n_channels);
  }
  const std::optional<ImageTensor> table = names.one_of(kTokenTables);
  constexpr std::uint64_t kSd1Width = 768;
  constexpr std::uint64_t kSd2Width = 1024;
  if (is_unet && table && table->dims[0] == kSd1Width) {
    return kind_of(kSd1, n_channels);
  }
  if (is_unet && table && table->dims[0] == kSd2Width) {
    return kind_of(kSd2, n_channels);
  }
  refuse_gguf(path, is_unet ? "its text encoder is missing: give --image-clip-l-model"
                            : "it is no image model that this version knows");
}

} // namespace llamabox
