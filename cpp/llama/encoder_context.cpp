#include "llama/encoder_context.h"

#include "base/error.h"
#include "llama/context_params.h"
#include "llama/rpc_servers.h"
#include "llama/upstream_log.h"
#include "model/batch.h"

#include "llama-ext.h"

#include <algorithm>
#include <exception>
#include <string>

namespace llamabox {
namespace {

// Upstream has ids for so many; a recurrent model keeps a state for each.
constexpr std::int32_t kMostTexts = 256;
constexpr std::int32_t kMostStates = 16;

enum llama_pooling_type upstream_pooling(Pooling pooling) {
  switch (pooling) {
  case Pooling::kMean:
    return LLAMA_POOLING_TYPE_MEAN;
  case Pooling::kCls:
    return LLAMA_POOLING_TYPE_CLS;
  case Pooling::kLast:
    return LLAMA_POOLING_TYPE_LAST;
  case Pooling::kRank:
    return LLAMA_POOLING_TYPE_RANK;
  default:
    return LLAMA_POOLING_TYPE_NONE;
  }
}

enum llama_attention_type upstream_attention(Attention attention) {
  switch (attention) {
  case Attention::kCausal:
    return LLAMA_ATTENTION_TYPE_CAUSAL;
  case Attention::kNonCausal:
    return LLAMA_ATTENTION_TYPE_NON_CAUSAL;
  case Attention::kModel:
    break;
  }
  return LLAMA_ATTENTION_TYPE_UNSPECIFIED;
}

PieceJoin join_of(Pooling pooling) {
  switch (pooling) {
  case Pooling::kNone:
    return PieceJoin::kAppend;
  case Pooling::kMean:
    return PieceJoin::kMean;
  case Pooling::kCls:
    return PieceJoin::kFirst;
  default:
    return PieceJoin::kLast;
  }
}

// A model that learnt a vector for each position has no more of them than it was trained with;
// others can be stretched by the options of position encoding.
std::int32_t most_tokens(const llama_model *model, const ContextParams &params) {
  const std::int32_t n_train = llama_model_n_ctx_train(model);
  const std::int32_t n_wanted = params.n_ctx > 0 ? params.n_ctx : n_train;
  const RopeParams &rope = params.rope;
  const bool is_stretched = rope.scaling != RopeScaling::kModel || rope.freq_base ||
                            rope.freq_scale || rope.yarn_orig_ctx;
  const bool can_stretch = llama_model_rope_type(model) != LLAMA_ROPE_TYPE_NONE;
  return is_stretched && can_stretch ? n_wanted : std::min(n_wanted, n_train);
}

} // namespace

EncodeLimits encoder_limits(const LoadedModel &model, const LlamaParams &params, Pooling pooling) {
  const llama_model *loaded = model.get();
  const EncoderFacts facts = encoder_facts(loaded);
  const bool causal = params.encoder.attention == Attention::kModel
                          ? facts.causal
                          : params.encoder.attention == Attention::kCausal;
  EncodeLimits limits;
  limits.n_ctx = most_tokens(loaded, params.context);
  limits.n_batch = std::min(params.context.n_ubatch, limits.n_ctx);
  const bool has_states = llama_model_is_recurrent(loaded) || llama_model_is_hybrid(loaded);
  limits.n_texts = std::min(limits.n_batch, has_states ? kMostStates : kMostTexts);
  // A model that was made to look both ways keeps no memory to go on from.
  limits.can_split = causal && facts.causal;
  limits.join = join_of(pooling);
  limits.n_values = pooling == Pooling::kRank ? 1 : llama_model_n_embd_out(loaded);
  return limits;
}

EncoderContext::EncoderContext(const LoadedModel &model, const LlamaParams &params, Pooling pooling)
    : pooling_(pooling), limits_(encoder_limits(model, params, pooling)) {
  create(model, params);
  if (limits_.can_split && llama_get_memory(context_.get()) == nullptr) {
    throw Error(ErrorCode::kLoadFailed, "the model keeps no memory of a text", "embeddings");
  }
  batch_.reset(llama_batch_ext_init(context_.get()));
}

void EncoderContext::create(const LoadedModel &model, const LlamaParams &params) {
  ContextParams own = params.context;
  // All of a text is in one pass, unless a later one can go on with what memory has of it; then
  // that text and a pass of others are held at once.
  const std::int32_t n_pass = limits_.can_split ? limits_.n_batch : limits_.n_ctx;
  own.n_ctx = limits_.can_split ? limits_.n_ctx + limits_.n_batch : limits_.n_ctx;
  own.n_batch = n_pass;
  own.n_ubatch = n_pass;
  own.n_slots = limits_.n_texts;
  own.kv_unified = true;
  check_context_params(model.get(), own);
  resolve_threads(own);
  llama_context_params upstream = upstream_context_params(own);
  upstream.embeddings = true;
  upstream.pooling_type = upstream_pooling(pooling_);
  upstream.attention_type = upstream_attention(params.encoder.attention);

  const LogCapture capture;
  std::string reason;
  try {
    context_.reset(llama_init_from_model(model.get(), upstream));
    reason = capture.first_error();
  } catch (const std::exception &error) {
    reason = error.what();
  }
  if (!context_) {
    throw Error(ErrorCode::kLoadFailed,
                "cannot create the context for embeddings: " +
                    (reason.empty() ? std::string("llama.cpp gave no reason") : reason),
                "embeddings");
  }
}

std::uint64_t EncoderContext::n_bytes() const {
  std::uint64_t sum = 0;
  for (const auto &[type, data] : llama_get_memory_breakdown(context_.get())) {
    sum += data.context + data.compute;
  }
  return sum;
}

bool EncoderContext::fill(std::span<const EncodePiece> pieces) {
  llama_batch_ext_clear(batch_.get());
  placed_.clear();
  std::int32_t n_rows = 0;
  for (const EncodePiece &piece : pieces) {
    placed_.push_back({piece.seq, n_rows, static_cast<std::int32_t>(piece.tokens.size())});
    for (std::size_t i = 0; i < piece.tokens.size(); ++i) {
      const std::int32_t row = llama_batch_ext_add_token(batch_.get(), piece.seq, piece.tokens[i]);
      const Pos at = piece.first + static_cast<Pos>(i);
      const Positions pos = {at, at, at, at};
      if (row < 0 || !llama_batch_ext_set_pos(batch_.get(), row, pos.data()) ||
          !llama_batch_ext_set_output_embd(batch_.get(), row, true)) {
        return false;
      }
      ++n_rows;
    }
  }
  // More would be an assert inside upstream.
  return n_rows > 0 && n_rows <= static_cast<std::int32_t>(llama_n_batch(context_.get()));
}

bool EncoderContext::encode(std::span<const EncodePiece> pieces) {
  const bool ok =
      fill(pieces) && llama_process(context_.get(), LLAMA_PROCESS_TYPE_DECODE, batch_.get()) == 0;
  llama_synchronize(context_.get());
  check_rpc_servers();
  if (!ok || std::ranges::all_of(pieces, &EncodePiece::is_last)) {
    if (llama_memory_t memory = llama_get_memory(context_.get())) {
      llama_memory_clear(memory, false);
    }
    return ok;
  }
  for (const EncodePiece &piece : pieces) {
    if (piece.is_last) {
      forget(piece.seq);
    }
  }
  return true;
}

std::span<const float> EncoderContext::output(std::size_t piece) {
  const Placed &placed = placed_.at(piece);
  const bool by_token = limits_.join == PieceJoin::kAppend;
  // All rows of a pass are outputs, in the order of the batch.
  const float *values = by_token ? llama_get_embeddings_ith(context_.get(), placed.first_row)
                                 : llama_get_embeddings_seq(context_.get(), placed.seq);
  if (values == nullptr) {
    throw Error(ErrorCode::kInternal, "the model gave no embedding");
  }
  const auto n_rows = static_cast<std::size_t>(by_token ? placed.n_rows : 1);
  return {values, n_rows * static_cast<std::size_t>(limits_.n_values)};
}

void EncoderContext::forget(SeqId seq) {
  if (llama_memory_t memory = llama_get_memory(context_.get())) {
    llama_memory_seq_rm(memory, seq, -1, -1);
  }
}

void EncoderContext::warm_up() {
  const std::vector<Token> tokens = {0};
  const EncodePiece piece{0, tokens, 0, true};
  if (!encode(std::span(&piece, 1))) {
    throw Error(ErrorCode::kLoadFailed, "the first run of the model for embeddings failed");
  }
}

} // namespace llamabox
