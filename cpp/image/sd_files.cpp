#include "image/sd_files.h"

#include "base/error.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace llamabox {
namespace {

struct Part {
  std::string ImageFiles::*path;
  std::string_view prefix; // in front of the names of a whole checkpoint
  std::string_view unet_prefix;
};

constexpr std::array kParts{
    Part{&ImageFiles::clip_l, "text_encoders.clip_l.transformer.", "cond_stage_model.transformer."},
    Part{&ImageFiles::clip_g, "text_encoders.clip_g.transformer.",
         "cond_stage_model.1.transformer."},
    Part{&ImageFiles::t5xxl, "text_encoders.t5xxl.transformer.",
         "text_encoders.t5xxl.transformer."},
    Part{&ImageFiles::llm, "text_encoders.llm.", "text_encoders.llm."},
    Part{&ImageFiles::vae, "vae.", "vae."},
    Part{&ImageFiles::taesd, "tae.", "tae."}};

using Tensors = std::vector<ImageTensor>;

void add(Tensors &all, const ImageFile &file, std::string_view prefix) {
  for (const ImageTensor &tensor : file.tensors) {
    ImageTensor named = tensor;
    if (!named.name.starts_with(prefix)) {
      named.name = std::string(prefix) + named.name;
    }
    all.push_back(std::move(named));
  }
}

bool has_any(const Tensors &all, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(all.begin(), all.end(), [&](const ImageTensor &tensor) {
    return std::any_of(prefixes.begin(), prefixes.end(),
                       [&](std::string_view prefix) { return tensor.name.starts_with(prefix); });
  });
}

void require_parts(const ImageFamily &family, const Tensors &all) {
  const std::string name(family.name);
  const auto missing = [&](const std::string &what) {
    throw Error(ErrorCode::kLoadFailed, "a model of the family " + name + " needs " + what);
  };
  if (family.uses_llm && !has_any(all, {"text_encoders.llm."})) {
    missing("--image-llm-model");
  }
  if (!has_any(all, {"text_encoders.", "cond_stage_model.", "conditioner.", "te."})) {
    missing("text encoders: --image-clip-l-model, --image-clip-g-model or --image-t5xxl-model");
  }
  if (family.name != "chroma-radiance" && !has_any(all, {"first_stage_model.", "vae.", "tae."})) {
    missing("a decoder: --image-vae-model or --image-taesd-model");
  }
}

} // namespace

CheckedFiles check_image_files(const ImageModelParams &params) {
  const ImageFiles &files = params.files;
  const ImageFile model = read_image_file(files.model);
  CheckedFiles checked;
  checked.is_bare = is_bare_diffusion_model(model);
  checked.n_bytes = model.n_bytes;
  Tensors all;
  add(all, model, checked.is_bare ? "model.diffusion_model." : "");
  const bool is_unet = has_any(all, {"model.diffusion_model.input_blocks.", "unet."});
  for (const Part &part : kParts) {
    const std::string &path = files.*part.path;
    if (!path.empty()) {
      const ImageFile file = read_image_file(path);
      checked.n_bytes += file.n_bytes;
      add(all, file, is_unet ? part.unet_prefix : part.prefix);
    }
  }
  for (const std::string *path : {&files.control_net, &files.upscaler}) {
    checked.n_bytes += path->empty() ? 0 : read_image_file(*path).n_bytes;
  }
  for (const ImageLoraInfo &lora : params.loras) {
    read_image_file(lora.path);
  }
  checked.family = image_family(files.model, all);
  require_parts(checked.family, all);
  if (!files.control_net.empty() && checked.family.is_dit) {
    throw Error(ErrorCode::kLoadFailed,
                "--image-control-net-model is for the families SD1, SD2 and "
                "SDXL; this model is " +
                    std::string(checked.family.name));
  }
  return checked;
}

} // namespace llamabox
