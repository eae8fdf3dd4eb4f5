#include "llama/sampler.h"

#include "base/error.h"
#include "llama/chain_distribution.h"
#include "llama/grammar_matcher.h"
#include "llama/logit_edits.h"
#include "llama/sampling_check.h"
#include "llama/token_history.h"
#include "model/edited_logits.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>

namespace llamabox {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// What a sampler is made of.
struct SamplerParts {
  ChainPlan plan;
  LogitEdits edits;
  std::unique_ptr<GrammarMatcher> grammar;
  std::span<const Token> end_tokens;
};

class LlamaSampler final : public Sampler {
public:
  explicit LlamaSampler(SamplerParts parts)
      : plan_(std::move(parts.plan)), edits_(std::move(parts.edits)),
        grammar_(std::move(parts.grammar)), end_tokens_(parts.end_tokens) {}

  Token sample(std::span<const float> logits) override {
    row_.set(logits, edits_.make(logits));
    const bool is_bound = grammar_ && grammar_->applies();
    Token token = plan_.greedy ? best_token(is_bound) : draw(is_bound);
    if (token == kNoToken && is_bound) {
      token = end_of(logits);
    }
    if (token == kNoToken) {
      throw Error(ErrorCode::kInvalidArgument,
                  is_bound ? "no token of the model continues the text as the grammar wants it"
                           : "logit_bias bans every token",
                  is_bound ? "grammar" : "logit_bias");
    }
    return token;
  }

  void accept(Token token) override {
    remember(token);
    if (grammar_) {
      grammar_->accept(token);
    }
  }

  std::vector<TokenProbability> distribution(std::span<const float> logits) override {
    if (grammar_ || !plan_.draws_once) {
      return {};
    }
    row_.set(logits, edits_.make(logits));
    llama_token_data_array array = candidates_of(false);
    return array.size > 0 ? chain_distribution(plan_.chain.get(), array)
                          : std::vector<TokenProbability>{};
  }

  // Of the prompt: seen by the penalties, not by the grammar.
  void remember(Token token) override {
    edits_.accept(token);
    if (plan_.chain) {
      llama_sampler_accept(plan_.chain.get(), token);
    }
  }

private:
  // Most often the best of all is also the best of those that the grammar allows.
  Token best_token(bool is_bound) {
    const Token best = row_.best(nullptr);
    if (!is_bound || (best != kNoToken && grammar_->allows(best))) {
      return best;
    }
    return row_.best(grammar_->mask().get());
  }

  // One of the tokens that may come next, as if the others did not exist. kNoToken: none.
  Token draw(bool is_bound) {
    llama_token_data_array array = candidates_of(is_bound);
    if (array.size == 0) {
      return kNoToken;
    }
    llama_sampler_apply(plan_.chain.get(), &array);
    return array.data[array.selected].id;
  }

  // What enters the chain.
  llama_token_data_array candidates_of(bool is_bound) {
    const auto top_k = static_cast<std::size_t>(plan_.top_k);
    const bool is_partial = top_k > 0 && top_k < row_.size();
    if (!is_partial) {
      const auto mask = is_bound ? grammar_->mask() : nullptr;
      row_.all(mask.get(), scored_);
    } else if (is_bound) {
      take_best_allowed(top_k);
    } else {
      row_.best(top_k, nullptr, scored_);
    }
    candidates_.resize(scored_.size());
    for (std::size_t i = 0; i < scored_.size(); ++i) {
      candidates_[i] = {scored_[i].token, scored_[i].logit, 0.0f};
    }
    return {candidates_.data(), candidates_.size(), -1, is_partial};
  }

  // The k best of those that the grammar allows. Where nobody asked yet which these are of all,
  // a few more than k are asked about first: most often k of them are allowed.
  void take_best_allowed(std::size_t k) {
    std::shared_ptr<const TokenMask> mask = grammar_->known_mask();
    if (!mask) {
      row_.best(k + k / 2, nullptr, scored_);
      if (keep_allowed(k) == k) {
        return;
      }
      mask = grammar_->mask();
    }
    row_.best(k, mask.get(), scored_);
  }

  std::size_t keep_allowed(std::size_t k) {
    tokens_.resize(scored_.size());
    std::ranges::transform(scored_, tokens_.begin(), &ScoredToken::token);
    grammar_->keep_allowed(tokens_, k);
    std::size_t n = 0;
    for (const ScoredToken &scored : scored_) {
      if (n < tokens_.size() && scored.token == tokens_[n]) {
        scored_[n++] = scored;
      }
    }
    scored_.resize(n);
    return n;
  }

  // A complete text ends, also where end tokens are banned.
  Token end_of(std::span<const float> logits) const {
    Token best = kNoToken;
    for (const Token token : end_tokens_) {
      const auto at = static_cast<std::size_t>(token);
      const bool is_better =
          best == kNoToken || logits[at] > logits[static_cast<std::size_t>(best)];
      if (is_better && grammar_->allows(token)) {
        best = token;
      }
    }
    return best;
  }

  ChainPlan plan_;
  LogitEdits edits_;
  std::unique_ptr<GrammarMatcher> grammar_;
  std::span<const Token> end_tokens_;
  // Buffers, kept so that a token allocates nothing.
  EditedLogits row_;
  std::vector<ScoredToken> scored_;
  std::vector<Token> tokens_;
  std::vector<llama_token_data> candidates_;
};

} // namespace

LlamaSamplerFactory::LlamaSamplerFactory(const llama_vocab *vocab, std::int32_t n_ctx)
    : upstream_(vocab), vocab_(vocab), n_vocab_(llama_vocab_n_tokens(vocab)), n_ctx_(n_ctx),
      dry_(vocab, n_ctx), compiler_(vocab) {
  std::int32_t n = 0;
  const llama_token *tokens = llama_vocab_get_suppress_tokens(vocab, &n);
  for (std::int32_t i = 0; i < n; ++i) {
    if (tokens[i] >= 0 && tokens[i] < n_vocab_) {
      suppressed_.push_back(tokens[i]);
    }
  }
  for (Token token = 0; token < n_vocab_; ++token) {
    if (llama_vocab_is_eog(vocab, token)) {
      end_tokens_.push_back(token);
    }
  }
}

std::vector<LogitBias> LlamaSamplerFactory::biases_of(const SamplingParams &params) const {
  std::vector<LogitBias> biases;
  for (const LogitBias &bias : params.logit_bias) {
    if (!bias.text.empty()) {
      for (const Token token : vocab_.tokenize(bias.text, {false, true})) {
        biases.push_back({token, {}, bias.bias});
      }
    } else if (bias.token >= 0 && bias.token < n_vocab_) {
      biases.push_back({bias.token, {}, bias.bias});
    } else {
      throw Error(ErrorCode::kInvalidArgument,
                  "logit_bias names the token " + std::to_string(bias.token) +
                      ", which is not within 0 and " + std::to_string(n_vocab_ - 1),
                  "logit_bias");
    }
  }
  for (const Token token : suppressed_) {
    biases.push_back({token, {}, kMinusInfinity});
  }
  for (const Token token : end_tokens_) {
    if (params.ignore_eos) {
      biases.push_back({token, {}, kMinusInfinity});
    }
  }
  return biases;
}

std::unique_ptr<Sampler> LlamaSamplerFactory::make(const SamplingParams &params,
                                                   std::span<const Token> prompt) const {
  check_sampling(params);
  ChainPlan plan = plan_chain(params, {n_vocab_, n_ctx_, dry_});
  std::optional<TokenHistory> history;
  if (plan.penalties_first) {
    history.emplace(params, n_ctx_);
  }
  SamplerParts parts{std::move(plan), LogitEdits(biases_of(params), std::move(history)), nullptr,
                     end_tokens_};
  if (const Grammar grammar = grammars_.of(params); !grammar.empty()) {
    parts.grammar =
        std::make_unique<GrammarMatcher>(upstream_, grammar, compiler_.compile(grammar));
  }
  auto sampler = std::make_unique<LlamaSampler>(std::move(parts));
  for (const Token token : prompt) {
    if (token >= 0 && token < n_vocab_) {
      sampler->remember(token);
    }
  }
  return sampler;
}

} // namespace llamabox
