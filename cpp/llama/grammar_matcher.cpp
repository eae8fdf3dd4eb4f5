#include "llama/grammar_matcher.h"

#include "base/error.h"

// For a token's bytes without a copy.
#include "llama-vocab.h"

#include <optional>
#include <utility>

namespace llamabox {

GrammarMatcher::GrammarMatcher(const llama_vocab *vocab, const Grammar &grammar,
                               std::shared_ptr<CompiledGrammar> compiled)
    : vocab_(vocab), compiled_(std::move(compiled)), cursor_(compiled_->start()) {
  if (grammar.lazy) {
    triggers_ = std::make_unique<GrammarTriggers>(grammar.triggers);
  }
}

void GrammarMatcher::accept(Token token) {
  const std::string &piece = vocab_->token_to_piece(token);
  if (triggers_) {
    const std::optional<TriggerHit> hit = triggers_->feed(token, piece);
    if (hit && begin(*hit)) {
      triggers_.reset();
    }
    return;
  }
  // After an end token the text is complete, and nothing follows.
  if (!llama_vocab_is_eog(vocab_, token) && !compiled_->accept(cursor_, token, piece)) {
    throw Error(ErrorCode::kInvalidArgument, "grammar does not allow the text to go on like this",
                "grammar");
  }
}

// A word that only looks like the beginning of a constrained part leaves the text free.
bool GrammarMatcher::begin(const TriggerHit &hit) {
  CompiledGrammar::Cursor cursor = compiled_->start();
  for (const auto &[token, piece] : hit) {
    if (!compiled_->accept(cursor, token, piece)) {
      return false;
    }
  }
  cursor_ = std::move(cursor);
  return true;
}

} // namespace llamabox
