#include "llama/media.h"

#include "base/error.h"
#include "guard/gguf_projector.h"
#include "llama/audio_file.h"
#include "llama/device.h"
#include "llama/media_chunks.h"
#include "llama/model_params.h"
#include "llama/upstream_log.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <utility>

namespace llamabox {
namespace {

[[noreturn]] void refuse(const std::string &path, const std::string &reason) {
  throw Error(ErrorCode::kLoadFailed, "cannot load projector '" + path + "': " + reason, "mmproj");
}

mtmd_context_params upstream_params(const LlamaParams &params, MediaSlices *slices) {
  mtmd_context_params upstream = mtmd_context_params_default();
  upstream.device = projector_device(params.model);
  upstream.use_gpu = upstream.device != nullptr;
  upstream.print_timings = false;
  upstream.warmup = params.context.warmup;
  upstream.n_threads = params.context.n_threads_batch;
  upstream.flash_attn_type = params.context.flash_attn == FlashAttn::kOff
                                 ? LLAMA_FLASH_ATTN_TYPE_DISABLED
                                 : LLAMA_FLASH_ATTN_TYPE_AUTO;
  upstream.cb_eval = slices == nullptr ? nullptr : &MediaSlices::on_node;
  upstream.cb_eval_user_data = slices;
  return upstream;
}

const char *name_of(MediaKind kind) { return kind == MediaKind::kImage ? "images" : "audio"; }

} // namespace

void fit_batch_to(const ProjectorParams &projector, ContextParams &context) {
  init_backends();
  mtmd_context_params upstream = mtmd_context_params_default();
  upstream.use_gpu = false;
  upstream.warmup = false;
  const mtmd_memory_usage usage = mtmd_get_memory_usage(projector.path.c_str(), upstream);
  if (usage.use_non_causal) {
    const auto n_fixed = static_cast<std::int32_t>(check_projector(projector.path).n_fixed_rows);
    const std::int32_t n_rows = usage.image_max_tokens > 0 ? usage.image_max_tokens : n_fixed;
    context.n_ubatch = std::max(context.n_ubatch, n_rows);
    context.n_batch = std::max(context.n_batch, context.n_ubatch);
  }
}

std::uint64_t projector_bytes(const LlamaParams &params) {
  LlamaParams quiet = params;
  quiet.context.warmup = false;
  resolve_threads(quiet.context);
  const mtmd_context_params upstream = upstream_params(quiet, nullptr);
  if (upstream.device == nullptr) {
    return 0;
  }
  const auto by_device =
      mtmd_get_memory_usage(params.projector.path.c_str(), upstream).backend_mem_usage;
  const auto found = by_device.find(upstream.device);
  return found == by_device.end() ? 0 : found->second;
}

LlamaMedia::LlamaMedia(LoadedModel &model, LoadedContext &context, const LlamaParams &params)
    : text_(context), n_audio_max_(params.projector.n_audio_max),
      mixes_(context.mixes_embeddings(model)),
      n_embd_(static_cast<std::size_t>(llama_model_n_embd_inp(model.get()))),
      context_(nullptr, mtmd_free) {
  const std::string &path = params.projector.path;
  LlamaParams resolved = params;
  resolve_threads(resolved.context);
  const LogCapture capture;
  context_.reset(
      mtmd_init_from_file(path.c_str(), model.get(), upstream_params(resolved, &slices_)));
  if (!context_) {
    refuse(path, capture.first_error().empty() ? "libmtmd gave no reason" : capture.first_error());
  }
}

void LlamaMedia::check_supported(const MediaPlace &place) const {
  const MediaKind kind = place.media->kind;
  if (kind == MediaKind::kImage ? !sees_images() : !hears_audio()) {
    throw Error(ErrorCode::kUnsupported,
                place.path + ": the projector of this model takes no " + name_of(kind), place.path);
  }
}

LlamaMedia::Bitmap LlamaMedia::bitmap_of(const MediaPlace &place, double &audio_seconds) const {
  const Media &media = *place.media;
  if (media.kind == MediaKind::kAudio) {
    const std::int32_t rate = mtmd_get_audio_sample_rate(context_.get());
    const std::int32_t n_left = n_audio_max_ - static_cast<std::int32_t>(audio_seconds);
    if (n_left < 1) {
      throw Error(ErrorCode::kInvalidArgument, "is one sound too many: all of a request may last " +
                                                   std::to_string(n_audio_max_) + " seconds");
    }
    const std::vector<float> samples = read_audio(media.bytes, rate, n_left);
    audio_seconds += static_cast<double>(samples.size()) / rate;
    return {mtmd_bitmap_init_from_audio(samples.size(), samples.data()), mtmd_bitmap_free};
  }
  const auto n_pixels =
      static_cast<std::size_t>(media.width) * static_cast<std::size_t>(media.height);
  if (media.width <= 0 || media.height <= 0 || media.bytes.size() != 3 * n_pixels) {
    throw Error(ErrorCode::kInvalidArgument, "is no picture of three bytes a pixel");
  }
  return {mtmd_bitmap_init(static_cast<std::uint32_t>(media.width),
                           static_cast<std::uint32_t>(media.height), media.bytes.data()),
          mtmd_bitmap_free};
}

Prompt LlamaMedia::make_prompt(std::span<const PromptPart> parts) const {
  double audio_seconds = 0;
  std::vector<Bitmap> bitmaps;
  std::vector<std::uint64_t> hashes;
  std::vector<mtmd_input_text> texts(parts.size());
  std::vector<mtmd_input_part> upstream(parts.size());
  std::vector<const mtmd_input_part *> pointers;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    pointers.push_back(&upstream[i]);
    if (parts[i].media == nullptr) {
      texts[i] = {parts[i].text.data(), parts[i].text.size(), false, true};
      upstream[i].text = &texts[i];
      continue;
    }
    const MediaPlace &place = *parts[i].media;
    check_supported(place);
    try {
      bitmaps.push_back(bitmap_of(place, audio_seconds));
    } catch (const Error &error) {
      throw Error(error.code(), place.path + ": " + error.what(), place.path);
    }
    mtmd_bitmap_set_id(bitmaps.back().get(), std::to_string(hashes.size()).c_str());
    hashes.push_back(place.media->hash);
    upstream[i].bitmap = bitmaps.back().get();
  }
  const std::unique_ptr<mtmd_input_chunks, void (*)(mtmd_input_chunks *)> chunks(
      mtmd_input_chunks_init(), mtmd_input_chunks_free);
  if (mtmd_tokenize_from_parts(context_.get(), chunks.get(), pointers.data(), pointers.size(),
                               true) != 0) {
    throw Error(ErrorCode::kInvalidArgument, "the projector cannot take these pictures or sounds",
                "messages");
  }
  Prompt prompt = prompt_of(context_.get(), chunks.get(), hashes, mixes_);
  prompt.audio_seconds = audio_seconds;
  return prompt;
}

std::vector<float> LlamaMedia::encode(const MediaChunk &chunk, SliceGate &gate) {
  const auto &ours = dynamic_cast<const LlamaMediaChunk &>(chunk);
  text_.rest();
  slices_.use(&gate);
  const std::int32_t status = mtmd_encode_chunk(context_.get(), ours.owned.get());
  const bool was_stopped = slices_.was_stopped();
  slices_.use(nullptr);
  if (was_stopped) {
    return {};
  }
  if (status != 0) {
    throw Error(ErrorCode::kInternal, "the projector failed");
  }
  const float *first = mtmd_get_output_embd(context_.get());
  std::vector<float> rows(first, first + n_embd_ * mtmd_input_chunk_get_n_tokens(ours.owned.get()));
  if (!std::ranges::all_of(rows, [](float value) { return std::isfinite(value); })) {
    throw Error(ErrorCode::kInternal, "the projector gave what is no number");
  }
  return rows;
}

} // namespace llamabox
