#include "llama/sampler.h"

#include "base/error.h"
#include "llama/chain_distribution.h"
#include "llama/grammar_matcher.h"
#include "llama/sampling_check.h"
#include "llama/token_history.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>

namespace llamabox {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// Logits above other logits; of equal ones the lower token id.
bool better(const llama_token_data &a, const llama_token_data &b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

bool is_banned(const llama_token_data &candidate) { return candidate.logit == kMinusInfinity; }

void take_all(std::span<const float> logits, std::vector<llama_token_data> &out) {
  out.resize(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) {
    out[i] = {static_cast<llama_token>(i), logits[i], 0.0f};
  }
}

// The k best, best first. A heap with the worst of them on top: almost every logit of a large
// vocabulary fails the one comparison.
void take_best(std::span<const float> logits, std::size_t k, std::vector<llama_token_data> &out) {
  take_all(logits.first(k), out);
  std::make_heap(out.begin(), out.end(), better);
  for (std::size_t i = k; i < logits.size(); ++i) {
    if (logits[i] > out.front().logit) {
      std::pop_heap(out.begin(), out.end(), better);
      out.back() = {static_cast<llama_token>(i), logits[i], 0.0f};
      std::push_heap(out.begin(), out.end(), better);
    }
  }
  std::sort_heap(out.begin(), out.end(), better);
}

// What a sampler is made of.
struct SamplerParts {
  ChainPlan plan;
  std::optional<TokenHistory> history; // of the penalties that come first
  std::vector<LogitBias> biases;       // of single tokens
  std::unique_ptr<GrammarMatcher> grammar;
  std::span<const Token> end_tokens;
};

class LlamaSampler final : public Sampler {
public:
  explicit LlamaSampler(SamplerParts parts)
      : plan_(std::move(parts.plan)), history_(std::move(parts.history)),
        biases_(std::move(parts.biases)), grammar_(std::move(parts.grammar)),
        end_tokens_(parts.end_tokens) {}

  Token sample(std::span<const float> logits) override {
    const std::span<const float> adjusted = adjust(logits);
    const Token token = choose(adjusted, !biases_.empty());
    if (token != kNoToken && (!grammar_ || grammar_->allows(token))) {
      return token;
    }
    const Token allowed = grammar_ ? choose_allowed(logits, adjusted) : kNoToken;
    if (allowed == kNoToken) {
      throw Error(ErrorCode::kInvalidArgument,
                  grammar_ ? "no token of the model continues the text as the grammar wants it"
                           : "logit_bias bans every token",
                  grammar_ ? "grammar" : "logit_bias");
    }
    return allowed;
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
    llama_token_data_array array = candidates_of(adjust(logits), !biases_.empty());
    return array.size > 0 ? chain_distribution(plan_.chain.get(), array)
                          : std::vector<TokenProbability>{};
  }

  // Of the prompt: seen by the penalties, not by the grammar.
  void remember(Token token) {
    if (history_) {
      history_->accept(token);
    }
    if (plan_.chain) {
      llama_sampler_accept(plan_.chain.get(), token);
    }
  }

private:
  // The logits as they are when nothing changes them, else a changed copy.
  std::span<const float> adjust(std::span<const float> logits) {
    if (!history_ && biases_.empty()) {
      return logits;
    }
    adjusted_.assign(logits.begin(), logits.end());
    for (const LogitBias &bias : biases_) {
      adjusted_[static_cast<std::size_t>(bias.token)] += bias.bias;
    }
    if (history_) {
      history_->penalize(adjusted_);
    }
    return adjusted_;
  }

  // kNoToken when all are banned.
  Token choose(std::span<const float> logits, bool may_ban) {
    if (plan_.greedy) {
      const Token best = argmax(logits);
      return logits[static_cast<std::size_t>(best)] == kMinusInfinity ? kNoToken : best;
    }
    llama_token_data_array array = candidates_of(logits, may_ban);
    if (array.size == 0) {
      return kNoToken;
    }
    llama_sampler_apply(plan_.chain.get(), &array);
    return array.data[array.selected].id;
  }

  // What enters the chain.
  llama_token_data_array candidates_of(std::span<const float> logits, bool may_ban) {
    const auto top_k = static_cast<std::size_t>(plan_.top_k);
    const bool partial = top_k > 0 && top_k < logits.size();
    if (partial) {
      take_best(logits, top_k, candidates_);
    } else {
      take_all(logits, candidates_);
    }
    if (may_ban) {
      std::erase_if(candidates_, is_banned);
    }
    return {candidates_.data(), candidates_.size(), -1, partial};
  }

  // Among the tokens that the grammar allows now.
  Token choose_allowed(std::span<const float> logits, std::span<const float> adjusted) {
    take_all(adjusted, candidates_);
    std::erase_if(candidates_, is_banned);
    grammar_->refuse(candidates_);
    allowed_.assign(adjusted.size(), kMinusInfinity);
    for (const llama_token_data &candidate : candidates_) {
      allowed_[static_cast<std::size_t>(candidate.id)] = candidate.logit;
    }
    const Token token = choose(allowed_, true);
    return token != kNoToken ? token : end_of(logits);
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
  std::optional<TokenHistory> history_;
  std::vector<LogitBias> biases_;
  std::unique_ptr<GrammarMatcher> grammar_; // null: free
  std::span<const Token> end_tokens_;
  std::vector<float> adjusted_;
  std::vector<float> allowed_;
  std::vector<llama_token_data> candidates_;
};

} // namespace

Token argmax(std::span<const float> logits) {
  // Independent lanes let the compiler compare a whole register at a time.
  constexpr std::size_t kLanes = 32;
  std::array<float, kLanes> best;
  best.fill(kMinusInfinity);
  std::size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float value = logits[i + lane];
      best[lane] = value > best[lane] ? value : best[lane];
    }
  }
  float largest = *std::max_element(best.begin(), best.end());
  for (; i < logits.size(); ++i) {
    largest = std::max(largest, logits[i]);
  }
  const auto found = std::find(logits.begin(), logits.end(), largest);
  return found == logits.end() ? 0 : static_cast<Token>(found - logits.begin());
}

LlamaSamplerFactory::LlamaSamplerFactory(const llama_vocab *vocab, std::int32_t n_ctx)
    : upstream_(vocab), vocab_(vocab), n_vocab_(llama_vocab_n_tokens(vocab)), n_ctx_(n_ctx),
      dry_(vocab, n_ctx) {
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
  SamplerParts parts;
  parts.plan = plan_chain(params, {n_vocab_, n_ctx_, dry_});
  if (parts.plan.penalties_first) {
    parts.history.emplace(params, n_ctx_);
  }
  parts.biases = biases_of(params);
  parts.end_tokens = end_tokens_;
  if (const Grammar grammar = grammars_.of(params); !grammar.empty()) {
    parts.grammar = std::make_unique<GrammarMatcher>(upstream_, grammar);
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
