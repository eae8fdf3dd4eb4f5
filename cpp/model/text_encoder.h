// Turns texts into vectors (embeddings) or scores (reranking), many short texts in one pass. It has
// contexts of its own, so that nothing of it is in the memory of the sequences that generate.
// Thread rule: engine thread, except supports(), limits(), prepare() and tokens(), which any thread
// may call.
// Guarantee: what a text gives does not depend on the texts that share its pass.
// Covered by encode_stage_test with FakeTextEncoder, and by text_encoder_test.
#pragma once

#include "base/types.h"
#include "model/lora.h"
#include "model/prompt_encoder.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace llamabox {

enum class EncodeKind : std::uint8_t { kEmbed, kRerank };

// A query and a document, which a reranker reads as one text.
struct PairPrompt {
  std::string query;
  std::optional<std::string> document; // none: the vocabulary's unknown token
};

using EncodeInput = std::variant<TextPrompt, TokenPrompt, PairPrompt>;

// What counts when a text is read in several pieces.
enum class PieceJoin : std::uint8_t {
  kLast,   // the output of the last piece
  kFirst,  // that of the first
  kMean,   // the mean over the tokens of all
  kAppend, // one row for each token, one after another
};

struct EncodeLimits {
  std::int32_t n_batch = 0; // tokens of a pass over several texts
  std::int32_t n_texts = 0; // texts of a pass
  std::int32_t n_ctx = 0;   // tokens of one text
  bool can_split = false;   // a text may be read in several passes
  PieceJoin join = PieceJoin::kLast;
  std::int32_t n_values = 0; // numbers of an output row
};

// Consecutive tokens of one text in a pass.
struct EncodePiece {
  SeqId seq = 0; // the text's place; pieces of a text keep it
  std::span<const Token> tokens;
  Pos first = 0; // position of the first token in its text
  bool is_last = false;
};

class TextEncoder {
public:
  virtual ~TextEncoder() = default;

  virtual bool supports(EncodeKind kind) const = 0;
  // REQUIRES: supports(kind).
  virtual EncodeLimits limits(EncodeKind kind) const = 0;
  // Makes what passes of this kind need and was not made at the start; returns its bytes, 0 where
  // there was nothing to make. Any thread but the engine's, which goes on with its steps meanwhile;
  // before the first text of this kind is put.
  // REQUIRES: supports(kind). ERRORS: Error(kUnavailable).
  virtual std::uint64_t prepare(EncodeKind /*kind*/) { return 0; }
  // ERRORS: Error(kInvalidArgument).
  virtual std::vector<Token> tokens(const EncodeInput &input) const = 0;

  // The LoRAs that the passes from here on are made with. REQUIRES: ids of loaded adapters.
  virtual void set_loras(std::span<const LoraScale> loras) = 0;

  // Runs one pass. After a last piece its text's place is free; after false all places are.
  // ERRORS: Error(kDeviceLost).
  // REQUIRES: together at most n_batch tokens, or one text without can_split.
  virtual bool encode(EncodeKind kind, std::span<const EncodePiece> pieces) = 0;

  // n_values numbers of a piece of the last pass; with kAppend so many for each of its tokens.
  virtual std::span<const float> output(std::size_t piece) = 0;

  // Frees the place of a text that will not be read to its end.
  virtual void forget(EncodeKind kind, SeqId seq) = 0;
};

} // namespace llamabox
