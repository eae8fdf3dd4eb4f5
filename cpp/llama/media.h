// The projector: a libmtmd context that prepares pictures and sounds and turns them into
// embeddings for the text model.
// Thread rule: add() from any prompt worker, several at a time; encode() from the media worker, in
// its compute turn. ERRORS: Error(kLoadFailed) when it is made.
// Covered by tests/cpp/llama/media_test.cpp.
#pragma once

#include "llama/context.h"
#include "llama/media_slices.h"
#include "llama/model.h"
#include "llama/params.h"
#include "llama/prompt_part.h"
#include "model/media.h"
#include "model/prompt.h"

#include "mtmd.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace llamabox {

// Raises the batch to what the projector's pictures take at once. Nothing is loaded.
void fit_batch_to(const ProjectorParams &projector, ContextParams &context);

// What a projector takes of the device it runs on; 0 where that is the CPU. Nothing is loaded.
// REQUIRES: check_projector() accepts it.
std::uint64_t projector_bytes(const LlamaParams &params);

class LlamaMedia final : public MediaEncoder {
public:
  // REQUIRES: model and context outlive the object.
  LlamaMedia(LoadedModel &model, LoadedContext &context, const LlamaParams &params);

  bool sees_images() const { return mtmd_support_vision(context_.get()); }
  bool hears_audio() const { return mtmd_support_audio(context_.get()); }

  // The prompt of these parts, its media ready to be encoded.
  // ERRORS: Error(kUnsupported) for a kind the projector does not take, Error(kInvalidArgument) for
  // a part that cannot be used.
  Prompt make_prompt(std::span<const PromptPart> parts) const;

  std::vector<float> encode(const MediaChunk &chunk, SliceGate &gate) override;

private:
  using Bitmap = std::unique_ptr<mtmd_bitmap, void (*)(mtmd_bitmap *)>;
  Bitmap bitmap_of(const MediaPlace &place, double &audio_seconds) const;
  void check_supported(const MediaPlace &place) const;

  LoadedContext &text_;
  std::int32_t n_audio_max_;
  bool mixes_; // a decode call may have rows of media beside others
  std::size_t n_embd_;
  MediaSlices slices_; // declared first: the context has its address
  std::unique_ptr<mtmd_context, void (*)(mtmd_context *)> context_;
};

} // namespace llamabox
