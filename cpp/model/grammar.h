// A grammar that constrains what is sampled: all of the text, or what follows a trigger (a tool
// call after prose). Made by the shell's request, or by the prompt encoder for tools; used by the
// sampler.
// Thread rule: plain value. Guarantee: an empty text is no grammar.
// Covered by the sampler tests of the adapters.
#pragma once

#include "base/types.h"

#include <cstdint>
#include <string>
#include <vector>

namespace llamabox {

// What starts a lazy grammar: a token, or text (the constrained part begins with the text), or a
// regular expression (it begins with the first group, else with the match).
struct GrammarTrigger {
  enum class Kind : std::uint8_t { kToken, kWord, kPattern, kPatternFull };
  Kind kind = Kind::kWord;
  std::string value;      // of words and patterns
  Token token = kNoToken; // of tokens
};

struct Grammar {
  std::string text;                     // GBNF with a rule "root"
  bool lazy = false;                    // free until a trigger is met
  std::vector<GrammarTrigger> triggers; // of a lazy grammar
  // Control tokens never count as their text: a client's grammar is about what the client sees,
  // one for tools may be about a template's own marks.
  bool text_only = false;

  bool empty() const { return text.empty(); }
};

} // namespace llamabox
