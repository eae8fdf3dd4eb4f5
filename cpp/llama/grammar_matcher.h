// A grammar at work on one sequence: says which tokens may come next, and follows those that came.
// A lazy one allows everything until its trigger has been written.
// Thread rule: one thread at a time. Guarantee: what accept() took since the grammar began to apply
// is the beginning of a text of the grammar.
// ERRORS: Error(kInvalidArgument, ..., "grammar") when the grammar cannot be used, or when it
// becomes too ambiguous to follow. Covered by tests/cpp/llama/grammar_test.cpp.
#pragma once

#include "llama/grammar_trigger.h"
#include "model/grammar.h"

#include "llama.h"

#include <memory>
#include <span>
#include <vector>

struct llama_grammar;

namespace llamabox {

class GrammarMatcher {
public:
  // REQUIRES: the grammar's text passed check_grammar(); the vocabulary outlives the object.
  GrammarMatcher(const llama_vocab *vocab, const Grammar &grammar);
  ~GrammarMatcher();

  bool allows(Token token) const;
  // Takes away the candidates that may not come next.
  void refuse(std::vector<llama_token_data> &candidates) const;
  // REQUIRES: allows(token).
  void accept(Token token);

private:
  struct Free {
    void operator()(llama_grammar *grammar) const;
  };

  bool is_hidden(Token token) const;
  void follow(Token token, const std::string &piece);
  bool begin(const TriggerHit &hit);

  const llama_vocab *vocab_;
  std::unique_ptr<llama_grammar, Free> grammar_;
  bool text_only_;
  std::unique_ptr<GrammarTriggers> triggers_; // null: the grammar applies
};

} // namespace llamabox
