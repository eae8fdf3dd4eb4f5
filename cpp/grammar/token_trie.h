// The bytes of a vocabulary's tokens as a tree, in which tokens with a common beginning share it,
// laid out flat in the order of a walk.
// Thread rule: constant once made; any thread. Guarantee: every usable token is under exactly one
// node; nodes come before those below them.
// Covered by grammar_automaton_test.
#pragma once

#include "base/types.h"
#include "model/token_mask.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llamabox {

// What a token is to a grammar.
enum class TokenUse : std::uint8_t {
  kText,    // its bytes are text
  kControl, // likewise, but a grammar about visible text never sees it
  kEnd,     // ends the text
  kNone     // cannot be written: no bytes, or a NUL among them
};

class TokenTrie {
public:
  struct Node {
    std::uint32_t skip = 0;        // the first node that is not below this one
    std::uint32_t depth = 0;       // from 1
    std::uint32_t first_token = 0; // of those that end here, in tokens(); up to the next node's
    std::uint8_t byte = 0;
  };

  // pieces[i] and uses[i] are of token i.
  TokenTrie(std::span<const std::string_view> pieces, std::vector<TokenUse> uses);

  std::size_t n_tokens() const { return uses_.size(); }
  TokenUse use(Token token) const { return uses_[static_cast<std::size_t>(token)]; }
  std::string_view piece(Token token) const;
  std::span<const Token> end_tokens() const { return ends_; }
  std::span<const Node> nodes() const { return nodes_; }
  std::size_t max_depth() const { return max_depth_; }
  // Tokens that end at node `begin` and at those up to `end`.
  std::span<const Token> tokens(std::size_t begin, std::size_t end) const;
  // All tokens whose bytes are text, control tokens included.
  std::span<const Token> tokens() const { return tokens_; }

private:
  void add_nodes();

  std::vector<TokenUse> uses_;
  std::string bytes_;                      // of all tokens
  std::vector<std::uint32_t> byte_begins_; // of token i in bytes_; one more at the end
  std::vector<Token> ends_;
  std::vector<Token> tokens_; // by their bytes
  std::vector<Node> nodes_;   // one more at the end
  std::size_t max_depth_ = 0;
};

} // namespace llamabox
