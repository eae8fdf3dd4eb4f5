#include "llama/text_encoder.h"

#include "base/error.h"

#include <string_view>
#include <utility>

namespace llamabox {
namespace {

// Published embedding models of this architecture were trained with an end token after each text,
// which not all of their files ask for.
constexpr std::string_view kEndsTexts = "qwen3";

Token unknown_token(const llama_vocab *vocab) {
  const std::int32_t n_tokens = llama_vocab_n_tokens(vocab);
  for (Token token = 0; token < n_tokens; ++token) {
    if ((llama_vocab_get_attr(vocab, token) & LLAMA_TOKEN_ATTR_UNKNOWN) != 0) {
      return token;
    }
  }
  for (Token token = 0; token < n_tokens; ++token) {
    const std::string_view text = llama_vocab_get_text(vocab, token);
    if (text == "[UNK]" || text == "<unk>") {
      return token;
    }
  }
  return kNoToken;
}

} // namespace

LlamaTextEncoder::LlamaTextEncoder(const EncoderParts &parts, const LlamaParams &params)
    : model_(parts), params_(params), upstream_vocab_(parts.model.vocab()),
      unknown_(unknown_token(upstream_vocab_)),
      ends_texts_(parts.model.info().architecture == kEndsTexts) {
  const llama_model *model = parts.model.get();
  if (const char *rank_template = llama_model_chat_template(model, "rerank")) {
    rank_template_ = rank_template;
  }
  const EncoderFacts facts = encoder_facts(model);
  if (params.encoder.embeddings) {
    offer(EncodeKind::kEmbed, embedding_pooling(facts, params.encoder));
  }
  if (params.encoder.rerank && facts.has_rank_head) {
    offer(EncodeKind::kRerank, Pooling::kRank);
  }
  ContextParams own = params.context;
  resolve_threads(own);
  threads_params_ = {own.n_threads, own.placement, own.n_threads_batch, own.placement_batch};
  check_placements(threads_params_);
  for (const EncodeKind kind : {EncodeKind::kEmbed, EncodeKind::kRerank}) {
    const bool is_deferred = kind == EncodeKind::kEmbed && params.encoder.defer_embeddings;
    if (part(kind).is_offered && !is_deferred) {
      make(kind);
      if (params.context.warmup) {
        context(kind).warm_up();
      }
    }
  }
}

void LlamaTextEncoder::offer(EncodeKind kind, Pooling pooling) {
  part(kind) = {true, pooling, encoder_limits(model_.model, params_, pooling), false};
}

std::uint64_t LlamaTextEncoder::make(EncodeKind kind) {
  auto made = std::make_unique<EncoderContext>(model_.model, params_, part(kind).pooling);
  model_.adapters.apply_control(made->get());
  const std::uint64_t n_bytes = made->n_bytes();
  const std::lock_guard lock(made_mutex_);
  made_[static_cast<std::size_t>(kind)] = std::move(made);
  return n_bytes;
}

bool LlamaTextEncoder::is_made(EncodeKind kind) const {
  const std::lock_guard lock(made_mutex_);
  return made_[static_cast<std::size_t>(kind)] != nullptr;
}

EncoderContext &LlamaTextEncoder::context(EncodeKind kind) const {
  const std::lock_guard lock(made_mutex_);
  return *made_[static_cast<std::size_t>(kind)];
}

std::uint64_t LlamaTextEncoder::prepare(EncodeKind kind) {
  if (is_made(kind)) {
    return 0;
  }
  const std::lock_guard lock(making_);
  if (is_made(kind)) {
    return 0; // by another request meanwhile
  }
  try {
    return make(kind);
  } catch (const Error &error) {
    throw Error(ErrorCode::kUnavailable, error.what());
  }
}

std::uint64_t LlamaTextEncoder::n_bytes() const {
  std::uint64_t sum = 0;
  for (const EncodeKind kind : {EncodeKind::kEmbed, EncodeKind::kRerank}) {
    sum += is_made(kind) ? context(kind).n_bytes() : 0;
  }
  return sum;
}

std::vector<Token> LlamaTextEncoder::tokens(const EncodeInput &input) const {
  std::vector<Token> tokens;
  if (const auto *text = std::get_if<TextPrompt>(&input)) {
    return text_tokens(text->text);
  }
  if (const auto *pair = std::get_if<PairPrompt>(&input)) {
    return rank_template_.empty() ? pair_tokens(*pair) : pair_in_template(*pair);
  }
  tokens = std::get<TokenPrompt>(input).tokens;
  for (const Token token : tokens) {
    if (token < 0 || token >= model_.vocab.n_tokens()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "token id " + std::to_string(token) + " is not within 0 and " +
                      std::to_string(model_.vocab.n_tokens() - 1),
                  "text");
    }
  }
  if (tokens.empty()) {
    tokens.push_back(end_token());
  }
  return tokens;
}

Token LlamaTextEncoder::end_token() const {
  for (const Token token : {llama_vocab_eos(upstream_vocab_), llama_vocab_sep(upstream_vocab_)}) {
    if (token != LLAMA_TOKEN_NULL) {
      return token;
    }
  }
  throw Error(ErrorCode::kInvalidArgument, "the text has no tokens", "text");
}

std::vector<Token> LlamaTextEncoder::text_tokens(const std::string &text) const {
  std::vector<Token> tokens = model_.vocab.tokenize(text, {true, true});
  if (tokens.empty() || (ends_texts_ && tokens.back() != end_token())) {
    tokens.push_back(end_token());
  }
  return tokens;
}

// BERT's layout, and RoBERTa's where the vocabulary asks for both kinds of token between the two.
std::vector<Token> LlamaTextEncoder::pair_tokens(const PairPrompt &pair) const {
  const bool adds_eos = llama_vocab_get_add_eos(upstream_vocab_);
  const bool adds_sep = llama_vocab_get_add_sep(upstream_vocab_);
  std::vector<Token> tokens;
  const auto add = [&](const std::string &text) {
    const std::vector<Token> more = model_.vocab.tokenize(text, {false, true});
    tokens.insert(tokens.end(), more.begin(), more.end());
  };
  if (llama_vocab_get_add_bos(upstream_vocab_)) {
    tokens.push_back(llama_vocab_bos(upstream_vocab_));
  }
  add(pair.query);
  if (adds_eos) {
    tokens.push_back(end_token());
  }
  if (adds_sep) {
    tokens.push_back(llama_vocab_sep(upstream_vocab_));
  }
  if (pair.document) {
    add(*pair.document);
  } else if (unknown_ != kNoToken) {
    tokens.push_back(unknown_);
  }
  if (adds_eos || adds_sep) {
    tokens.push_back(adds_eos ? end_token() : llama_vocab_sep(upstream_vocab_));
  }
  if (tokens.empty()) {
    tokens.push_back(end_token());
  }
  return tokens;
}

// Both places are filled in one go over the template, so that a query cannot name the other place.
std::vector<Token> LlamaTextEncoder::pair_in_template(const PairPrompt &pair) const {
  constexpr std::string_view kQuery = "{query}";
  constexpr std::string_view kDocument = "{document}";
  const std::string_view source = rank_template_;
  std::string text;
  for (std::size_t at = 0; at < source.size();) {
    if (source.substr(at).starts_with(kQuery)) {
      text += pair.query;
      at += kQuery.size();
    } else if (source.substr(at).starts_with(kDocument)) {
      text += pair.document.value_or(std::string());
      at += kDocument.size();
    } else {
      text += source[at++];
    }
  }
  std::vector<Token> tokens = model_.vocab.tokenize(text, {false, true});
  if (tokens.empty()) {
    tokens.push_back(end_token());
  }
  return tokens;
}

void LlamaTextEncoder::set_loras(std::span<const LoraScale> loras) {
  loras_.assign(loras.begin(), loras.end());
  for (Part &one : parts_) {
    one.has_loras = false;
  }
}

bool LlamaTextEncoder::encode(EncodeKind kind, std::span<const EncodePiece> pieces) {
  last_ = &context(kind);
  if (!std::exchange(part(kind).has_loras, true)) {
    model_.adapters.apply_loras(last_->get(), loras_);
  }
  std::size_t n_rows = 0;
  for (const EncodePiece &piece : pieces) {
    n_rows += piece.tokens.size();
  }
  Threadpools *threads = threads_.get();
  if (model_.generating != nullptr) {
    threads = &model_.generating->threads();
  } else if (threads == nullptr) {
    threads_ = std::make_unique<Threadpools>(threads_params_);
    threads = threads_.get();
  }
  threads->attach(last_->get());
  threads->before_step(n_rows);
  return last_->encode(pieces);
}

std::span<const float> LlamaTextEncoder::output(std::size_t piece) { return last_->output(piece); }

} // namespace llamabox
