#include "grammar/token_reader.h"

#include <utility>

namespace llamabox {
namespace {

// Of one call. Ordinary grammars take thousands; this many take a fraction of a second.
constexpr std::size_t kWork = std::size_t{1} << 21U;

std::uint64_t mask_key(const TextState &at) {
  // A character's first bytes leave at most 15 bits and 3 bytes to come.
  constexpr unsigned kValueBits = 24;
  return (std::uint64_t{at.state} << 32U) |
         (std::uint64_t{at.part.n_missing} << kValueBits | at.part.value);
}

// Whether the bytes are characters, the last of which may be a part of one, and one at least whole.
bool has_whole_character(Utf8Part part, std::string_view piece) {
  bool has_one = false;
  for (const char byte : piece) {
    if (!part.take(static_cast<std::uint8_t>(byte))) {
      return false;
    }
    if (part.n_missing == 0) {
      has_one = true;
      part = {};
    }
  }
  return has_one;
}

} // namespace

TokenReader::TokenReader(const GrammarTokens &tokens)
    : tokens_(tokens), automaton_(tokens.rules), path_(tokens.trie->max_depth() + 1) {}

TextState TokenReader::start() {
  automaton_.allow_work(kWork);
  return {automaton_.start(), {}};
}

bool TokenReader::is_written(Token token) const {
  const TokenUse use = tokens_.trie->use(token);
  return use == TokenUse::kText || (use == TokenUse::kControl && !tokens_.text_only);
}

bool TokenReader::can_end(const TextState &at) const {
  return automaton_.can_end(at.state) && at.part.n_missing == 0;
}

bool TokenReader::allows(const TextState &at, Token token) {
  if (tokens_.trie->use(token) == TokenUse::kEnd) {
    return can_end(at);
  }
  return is_written(token) &&
         after(at, token, tokens_.trie->piece(token)).state != GrammarAutomaton::kDead;
}

TextState TokenReader::after(const TextState &at, Token token, std::string_view piece) {
  automaton_.allow_work(kWork);
  TextState to = at;
  for (const char byte : piece) {
    to = automaton_.next_byte(to, static_cast<std::uint8_t>(byte));
    if (to.state == GrammarAutomaton::kDead) {
      break;
    }
  }
  if (!automaton_.can_stop(to)) {
    to = {};
  }
  if (automaton_.names_tokens(at.state) && has_whole_character(at.part, piece)) {
    Utf8Part part = at.part;
    for (const char byte : piece) {
      part.take(static_cast<std::uint8_t>(byte));
    }
    const StateId named = automaton_.next_token(at.state, token);
    if (named != GrammarAutomaton::kDead) {
      to = {automaton_.join(to.state, named), part.n_missing == 0 ? Utf8Part{} : part};
    }
  }
  return to;
}

std::shared_ptr<const TokenMask> TokenReader::known_mask(const TextState &at) const {
  const auto found = masks_.find(mask_key(at));
  return found == masks_.end() ? nullptr : found->second;
}

std::shared_ptr<const TokenMask> TokenReader::mask(const TextState &at) {
  std::shared_ptr<const TokenMask> &kept = masks_[mask_key(at)];
  if (!kept) {
    automaton_.allow_work(kWork);
    auto made = std::make_shared<TokenMask>(tokens_.trie->n_tokens());
    mark_text(at, *made);
    if (automaton_.names_tokens(at.state)) {
      mark_named(at, *made);
    }
    if (can_end(at)) {
      for (const Token token : tokens_.trie->end_tokens()) {
        made->set(token);
      }
    }
    n_mask_bytes_ += sizeof(TokenMask) + made->words().size_bytes();
    kept = std::move(made);
  }
  return kept;
}

void TokenReader::mark_text(const TextState &at, TokenMask &mask) {
  const std::span<const TokenTrie::Node> nodes = tokens_.trie->nodes();
  path_[0] = at;
  std::size_t i = 0;
  while (i + 1 < nodes.size()) {
    const TokenTrie::Node &node = nodes[i];
    const TextState to = automaton_.next_byte(path_[node.depth - 1], node.byte);
    if (to.state == GrammarAutomaton::kDead) {
      i = node.skip;
      continue;
    }
    path_[node.depth] = to;
    const std::span<const Token> ending = tokens_.trie->tokens(i, i + 1);
    if (!ending.empty() && automaton_.can_stop(to)) {
      mark_written(ending, mask);
    }
    ++i;
  }
}

void TokenReader::mark_written(std::span<const Token> tokens, TokenMask &mask) const {
  for (const Token token : tokens) {
    if (is_written(token)) {
      mask.set(token);
    }
  }
}

void TokenReader::mark_named(const TextState &at, TokenMask &mask) const {
  for (const Token token : tokens_.trie->tokens()) {
    if (is_written(token) && automaton_.takes_token(at.state, token) &&
        has_whole_character(at.part, tokens_.trie->piece(token))) {
      mask.set(token);
    }
  }
}

TextState TokenReader::place_in(TokenReader &other, const TextState &at) const {
  other.automaton_.allow_work(kWork);
  return {other.automaton_.state_of(automaton_.stacks_of(at.state)), at.part};
}

} // namespace llamabox
