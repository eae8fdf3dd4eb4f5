// Embeddings and scores of texts on llama.cpp: a context for each of the two, made at the start or
// for the first text.
// Thread rule: as model/text_encoder.h. Guarantee: it computes with the threads of the generating
// context where there is one, so that no two graphs share the cores. A context is made beside the
// engine's steps and seen by them when it is whole.
// Covered by text_encoder_test.
#pragma once

#include "llama/adapters.h"
#include "llama/context.h"
#include "llama/encoder_context.h"
#include "llama/model.h"
#include "llama/params.h"
#include "llama/threadpool.h"
#include "model/text_encoder.h"
#include "model/vocab.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace llamabox {

// What the encoder works with; all of it outlives the encoder. `generating` may be null.
struct EncoderParts {
  const LoadedModel &model;
  const Vocab &vocab;
  const LoadedAdapters &adapters;
  LoadedContext *generating = nullptr;
};

class LlamaTextEncoder final : public TextEncoder {
public:
  // REQUIRES: params.encoder asks for one of the two. ERRORS: Error(kLoadFailed).
  LlamaTextEncoder(const EncoderParts &parts, const LlamaParams &params);

  bool supports(EncodeKind kind) const override { return part(kind).is_offered; }
  EncodeLimits limits(EncodeKind kind) const override { return part(kind).limits; }
  std::uint64_t prepare(EncodeKind kind) override;
  std::vector<Token> tokens(const EncodeInput &input) const override;
  void set_loras(std::span<const LoraScale> loras) override;
  bool encode(EncodeKind kind, std::span<const EncodePiece> pieces) override;
  std::span<const float> output(std::size_t piece) override;
  void forget(EncodeKind kind, SeqId seq) override { context(kind).forget(seq); }

  std::uint64_t n_bytes() const; // of the contexts that were made

private:
  struct Part {
    bool is_offered = false;
    Pooling pooling = Pooling::kModel;
    EncodeLimits limits;
    bool has_loras = false; // those that count now
  };
  static constexpr std::size_t kNKinds = 2;

  Part &part(EncodeKind kind) { return parts_[static_cast<std::size_t>(kind)]; }
  const Part &part(EncodeKind kind) const { return parts_[static_cast<std::size_t>(kind)]; }
  void offer(EncodeKind kind, Pooling pooling);
  std::uint64_t make(EncodeKind kind); // returns its bytes
  bool is_made(EncodeKind kind) const;
  EncoderContext &context(EncodeKind kind) const; // REQUIRES: it is made
  std::vector<Token> text_tokens(const std::string &text) const;
  std::vector<Token> pair_tokens(const PairPrompt &pair) const;
  std::vector<Token> pair_in_template(const PairPrompt &pair) const;
  Token end_token() const;

  EncoderParts model_;
  LlamaParams params_;
  const llama_vocab *upstream_vocab_;
  std::string rank_template_; // of the model; empty: special tokens join the two
  Token unknown_ = kNoToken;
  bool ends_texts_ = false; // a text without an end token gets one
  ThreadpoolParams threads_params_;
  std::unique_ptr<Threadpools> threads_; // where no context generates; freed after the contexts
  std::array<Part, kNKinds> parts_;
  std::vector<LoraScale> loras_; // that count for the next pass
  std::mutex making_;            // held while a context is made, by any thread but the engine's
  mutable std::mutex made_mutex_;
  std::array<std::unique_ptr<EncoderContext>, kNKinds> made_; // guarded by made_mutex_
  EncoderContext *last_ = nullptr;                            // of the last pass
};

} // namespace llamabox
