// Watches a text for what starts a lazy grammar.
// Thread rule: one thread at a time. Guarantee: words and patterns cost time by the piece, not by
// the text: a pattern is searched for in the last kSearchBytes. One that must match all of a text
// is tried up to kFullBytes of it.
// Covered by tests/cpp/llama/grammar_test.cpp.
#pragma once

#include "model/grammar.h"

#include <cstddef>
#include <optional>
#include <regex>
#include <string>
#include <utility>
#include <vector>

namespace llamabox {

inline constexpr std::size_t kSearchBytes = 1024;
inline constexpr std::size_t kFullBytes = 16 * 1024;

// The tokens that the grammar must follow once it applies, each with the part of its piece that
// belongs to the constrained text.
using TriggerHit = std::vector<std::pair<Token, std::string>>;

class GrammarTriggers {
public:
  // ERRORS: Error(kInvalidArgument) for a pattern that is no regular expression.
  explicit GrammarTriggers(const std::vector<GrammarTrigger> &triggers);

  // Takes the next token; the hit when it completes a trigger.
  std::optional<TriggerHit> feed(Token token, const std::string &piece);

private:
  struct Pattern {
    std::regex regex;
    bool full; // must match all of the text
  };

  std::size_t find_word(std::size_t n_new) const;
  std::size_t find_pattern(std::size_t n_new) const;
  std::size_t n_looked_at() const;
  TriggerHit hit_from(std::size_t start) const;

  std::vector<Token> tokens_;
  std::vector<std::string> words_;
  std::vector<Pattern> patterns_;
  std::string text_;                                  // what is still looked at
  std::vector<std::pair<Token, std::size_t>> pieces_; // and where each token of it begins
  bool cut_ = false; // text_ no longer begins where the output does
};

} // namespace llamabox
