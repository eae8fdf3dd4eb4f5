// One grammar over one vocabulary, shared by all sequences that follow it: what one of them found
// out about it, the others know. Each sequence has a cursor: the place in the text it is at.
// Thread rule: any thread; a cursor by one thread at a time. Guarantee: what a cursor has accepted
// is the beginning of a text of the grammar; the memory of what was found out is bounded, and is
// begun anew when it is full.
// ERRORS: Error(kInvalidArgument, ..., "grammar") when the text can be read in too many ways.
// Covered by grammar_automaton_test, and against upstream by tests/cpp/llama/grammar_test.cpp.
#pragma once

#include "base/thread_annotations.h"
#include "grammar/token_reader.h"

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

namespace llamabox {

class CompiledGrammar {
  struct Shared {
    explicit Shared(const GrammarTokens &tokens) : reader(tokens) {}
    Mutex mutex;
    TokenReader reader GUARDED_BY(mutex);
  };

public:
  class Cursor {
    friend class CompiledGrammar;
    std::shared_ptr<Shared> shared_;
    TextState at_;
  };

  static constexpr std::size_t kKeptBytes = 16 * 1024 * 1024;

  explicit CompiledGrammar(GrammarTokens tokens, std::size_t n_kept_bytes = kKeptBytes);

  Cursor start();
  bool allows(const Cursor &cursor, Token token) const;
  // Leaves the first n of the tokens that are allowed.
  void keep_allowed(const Cursor &cursor, std::vector<Token> &tokens, std::size_t n) const;
  // The tokens that may come next; null where nobody has asked for them yet.
  std::shared_ptr<const TokenMask> known_mask(const Cursor &cursor) const;
  std::shared_ptr<const TokenMask> mask(const Cursor &cursor) const;
  // Follows a token whose bytes within the grammar's text are `piece`. False, and nothing changes,
  // when it may not come next.
  bool accept(Cursor &cursor, Token token, std::string_view piece);

private:
  void begin_anew(Cursor &cursor);

  const GrammarTokens tokens_;
  const std::size_t n_kept_bytes_;
  Mutex mutex_; // never taken while holding that of a Shared
  std::shared_ptr<Shared> newest_ GUARDED_BY(mutex_);
};

} // namespace llamabox
