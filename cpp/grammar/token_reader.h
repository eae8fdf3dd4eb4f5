// A grammar's automaton read token by token: which tokens may come next, and what follows one.
// The answers about whole vocabularies are kept, for every place that was asked about.
// Thread rule: one thread at a time. Guarantee: mask() has exactly the tokens that allows() allows;
// a token that leads into more readings than are followed is allowed, and is an error once chosen.
// ERRORS: Error(kInvalidArgument, ..., "grammar") when one call would be too much work.
// Covered by grammar_automaton_test.
#pragma once

#include "grammar/automaton.h"
#include "grammar/token_trie.h"
#include "model/token_mask.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace llamabox {

struct GrammarTokens {
  std::shared_ptr<const GrammarRules> rules;
  std::shared_ptr<const TokenTrie> trie;
  bool text_only = false; // control tokens never count as their text
};

class TokenReader {
public:
  explicit TokenReader(const GrammarTokens &tokens);

  TextState start();
  bool allows(const TextState &at, Token token);
  // After a token whose bytes within the grammar's text are `piece`; its state is kDead or
  // kAmbiguous when that cannot be followed.
  TextState after(const TextState &at, Token token, std::string_view piece);
  // Null where it was not made yet.
  std::shared_ptr<const TokenMask> known_mask(const TextState &at) const;
  std::shared_ptr<const TokenMask> mask(const TextState &at);

  // The same place, in another reader of the same rules.
  TextState place_in(TokenReader &other, const TextState &at) const;
  std::size_t n_bytes() const { return automaton_.n_bytes() + n_mask_bytes_; }

private:
  bool is_written(Token token) const;
  bool can_end(const TextState &at) const;
  void mark_written(std::span<const Token> tokens, TokenMask &mask) const;
  void mark_text(const TextState &at, TokenMask &mask);
  void mark_named(const TextState &at, TokenMask &mask) const;

  GrammarTokens tokens_;
  GrammarAutomaton automaton_;
  std::unordered_map<std::uint64_t, std::shared_ptr<const TokenMask>> masks_;
  std::vector<TextState> path_; // of mark_text(): by depth
  std::size_t n_mask_bytes_ = 0;
};

} // namespace llamabox
