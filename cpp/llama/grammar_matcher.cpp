#include "llama/grammar_matcher.h"

#include "base/error.h"

// Upstream's public sampler hides the stacks, whose number is the cost of every further token.
#include "llama-grammar.h"
#include "llama-vocab.h"

#include <cmath>
#include <exception>
#include <string>
#include <utility>

namespace llamabox {
namespace {

// Each is one way in which the text so far can be read.
constexpr std::size_t kMaxStacks = 1024;

[[noreturn]] void refuse_use(const std::string &problem) {
  throw Error(ErrorCode::kInvalidArgument, "grammar " + problem, "grammar");
}

// Upstream's matcher throws when a text cannot be followed, or only with too much work.
template <typename Match> void match(Match body) {
  try {
    body();
  } catch (const Error &) {
    throw;
  } catch (const std::exception &error) {
    refuse_use(std::string("cannot follow the text: ") + error.what());
  }
}

} // namespace

void GrammarMatcher::Free::operator()(llama_grammar *grammar) const {
  llama_grammar_free_impl(grammar);
}

GrammarMatcher::GrammarMatcher(const llama_vocab *vocab, const Grammar &grammar)
    : vocab_(vocab), text_only_(grammar.text_only) {
  try {
    grammar_.reset(llama_grammar_init_impl(vocab, grammar.text.c_str(), "root", false, nullptr, 0,
                                           nullptr, 0));
  } catch (const std::exception &error) {
    refuse_use(std::string("cannot be used: ") + error.what());
  }
  if (!grammar_) {
    refuse_use("is refused by llama.cpp; <text> must be one token of the model");
  }
  if (llama_grammar_get_stacks(grammar_.get()).size() > kMaxStacks) {
    refuse_use("is too ambiguous");
  }
  if (grammar.lazy) {
    triggers_ = std::make_unique<GrammarTriggers>(grammar.triggers);
  }
}

GrammarMatcher::~GrammarMatcher() = default;

bool GrammarMatcher::is_hidden(Token token) const {
  return text_only_ && llama_vocab_is_control(vocab_, token) && !llama_vocab_is_eog(vocab_, token);
}

bool GrammarMatcher::allows(Token token) const {
  if (triggers_) {
    return true;
  }
  if (is_hidden(token)) {
    return false;
  }
  llama_token_data candidate = {token, 0.0f, 0.0f};
  llama_token_data_array array = {&candidate, 1, -1, false};
  match([&] { llama_grammar_apply_impl(*grammar_, &array); });
  return candidate.logit == 0.0f;
}

void GrammarMatcher::refuse(std::vector<llama_token_data> &candidates) const {
  if (triggers_) {
    return;
  }
  std::erase_if(candidates, [&](const llama_token_data &c) { return is_hidden(c.id); });
  llama_token_data_array array = {candidates.data(), candidates.size(), -1, false};
  match([&] { llama_grammar_apply_impl(*grammar_, &array); });
  std::erase_if(candidates, [](const llama_token_data &c) { return c.logit == -INFINITY; });
}

void GrammarMatcher::accept(Token token) {
  const std::string &piece = vocab_->token_to_piece(token);
  if (!triggers_) {
    // The text is complete; upstream would end the process for a token after it.
    if (!llama_vocab_is_eog(vocab_, token)) {
      match([&] { follow(token, piece); });
    }
    return;
  }
  const std::optional<TriggerHit> hit = triggers_->feed(token, piece);
  if (hit && begin(*hit)) {
    triggers_.reset();
  }
}

void GrammarMatcher::follow(Token token, const std::string &piece) {
  llama_grammar_accept_token(*grammar_, token, piece);
  if (llama_grammar_get_stacks(grammar_.get()).size() > kMaxStacks) {
    refuse_use("is too ambiguous: the text so far can be read in more than " +
               std::to_string(kMaxStacks) + " ways");
  }
}

// A word that only looks like the beginning of a constrained part leaves the text free.
bool GrammarMatcher::begin(const TriggerHit &hit) {
  const llama_grammar_stacks stacks = grammar_->stacks;
  try {
    for (const auto &[token, piece] : hit) {
      follow(token, piece);
    }
    return true;
  } catch (const Error &) {
    throw;
  } catch (const std::exception &) {
    grammar_->stacks = stacks;
    grammar_->partial_utf8 = {};
    return false;
  }
}

} // namespace llamabox
