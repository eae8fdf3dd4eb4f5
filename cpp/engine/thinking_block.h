// Where an answer stands with regard to a thinking block at its beginning: before it, inside of it,
// or behind it. A block counts as one only where the answer begins with it, white space aside, as
// for whoever reads the answer.
// Thread rule: one thread at a time. Covered by thinking_budget_test and free_thinking_test.
#pragma once

#include "model/prompt_encoder.h"
#include "model/vocab.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace llamabox {

class ThinkingBlock {
public:
  enum class Place : std::uint8_t { kBefore, kInside, kBehind };

  // REQUIRES: the vocabulary outlives the object.
  ThinkingBlock(const Vocab &vocab, ThinkingMarks marks);

  const ThinkingMarks &marks() const { return marks_; }
  Place place() const { return place_; }
  // Whether the text of the block ends within a character.
  bool is_within_character() const;
  void feed(Token token);

private:
  void look_for_begin();
  bool has_ended() const;

  const Vocab &vocab_;
  ThinkingMarks marks_;
  Place place_ = Place::kBefore;
  std::size_t n_kept_ = 4; // bytes of the block's text that are still looked at
  std::string text_;       // of the answer, then the end of the block; with special tokens
};

} // namespace llamabox
