// A grammar at work on one sequence: says which tokens may come next, and follows those that came.
// A lazy one allows everything until its trigger has been written.
// Thread rule: one thread at a time. Guarantee: what accept() took since the grammar began to apply
// is the beginning of a text of the grammar.
// ERRORS: Error(kInvalidArgument, ..., "grammar") when the grammar becomes too ambiguous to follow.
// Covered by tests/cpp/llama/grammar_test.cpp.
#pragma once

#include "grammar/compiled_grammar.h"
#include "llama/grammar_trigger.h"
#include "model/grammar.h"
#include "model/token_mask.h"

#include "llama.h"

#include <cstddef>
#include <memory>
#include <vector>

namespace llamabox {

class GrammarMatcher {
public:
  // REQUIRES: `compiled` is made of `grammar`; the vocabulary outlives the object.
  GrammarMatcher(const llama_vocab *vocab, const Grammar &grammar,
                 std::shared_ptr<CompiledGrammar> compiled);

  // False while a lazy grammar waits: everything may come next.
  bool applies() const { return !triggers_; }

  // REQUIRES of all five: applies().
  bool allows(Token token) const { return compiled_->allows(cursor_, token); }
  // Leaves the first n of the tokens that are allowed.
  void keep_allowed(std::vector<Token> &tokens, std::size_t n) const {
    compiled_->keep_allowed(cursor_, tokens, n);
  }
  std::shared_ptr<const TokenMask> known_mask() const { return compiled_->known_mask(cursor_); }
  std::shared_ptr<const TokenMask> mask() const { return compiled_->mask(cursor_); }

  // REQUIRES: the token is allowed.
  void accept(Token token);

private:
  bool begin(const TriggerHit &hit);

  const llama_vocab *vocab_;
  std::shared_ptr<CompiledGrammar> compiled_;
  CompiledGrammar::Cursor cursor_;
  std::unique_ptr<GrammarTriggers> triggers_; // null: the grammar applies
};

} // namespace llamabox
