// From a grammar's text to the machine that follows it. The text is read by llama.cpp's parser, so
// that grammars mean here what they mean elsewhere. The last few machines are kept, since clients
// send the same schema again: all requests with one share what any of them found out.
// Thread rule: any thread. Guarantee: a grammar that cannot be used is refused, never weakened.
// ERRORS: Error(kInvalidArgument, ..., "grammar"). Covered by tests/cpp/llama/grammar_test.cpp.
#pragma once

#include "base/thread_annotations.h"
#include "grammar/compiled_grammar.h"
#include "model/grammar.h"

#include "llama.h"

#include <list>
#include <memory>
#include <string>

namespace llamabox {

class GrammarCompiler {
public:
  // REQUIRES: the vocabulary outlives the object and what it made.
  explicit GrammarCompiler(const llama_vocab *vocab) : vocab_(vocab) {}

  // REQUIRES: the grammar's text passed check_grammar().
  std::shared_ptr<CompiledGrammar> compile(const Grammar &grammar);

private:
  struct Kept {
    std::string text;
    bool text_only;
    std::shared_ptr<CompiledGrammar> compiled;
  };

  std::shared_ptr<CompiledGrammar> find(const Grammar &grammar) REQUIRES_LOCK(mutex_);

  const llama_vocab *vocab_;
  Mutex mutex_;
  std::shared_ptr<const TokenTrie> trie_ GUARDED_BY(mutex_); // made with the first grammar
  std::list<Kept> recent_ GUARDED_BY(mutex_);                // the latest first
};

} // namespace llamabox
