// The prompt of a gap in a text, in the order prefix, suffix, middle, with the model's own
// fill-in-the-middle tokens between the parts.
// Thread rule: encode() from any thread. Guarantee: special tokens written in the client's texts
// stay text. ERRORS: Error(kInvalidArgument, "prompt") for a model without such tokens.
// Covered by tests/cpp/llama/infill_format_test.cpp.
#pragma once

#include "model/prompt_encoder.h"
#include "model/vocab.h"

#include "llama.h"

#include <string>
#include <vector>

namespace llamabox {

class InfillFormat {
public:
  // REQUIRES: vocab outlives the object.
  InfillFormat(const llama_vocab *upstream, const Vocab &vocab);

  std::vector<Token> encode(const InfillPrompt &infill) const;

private:
  void append_text(std::vector<Token> &tokens, const std::string &text) const;
  void append_files(std::vector<Token> &tokens, const InfillPrompt &infill) const;

  const Vocab &vocab_;
  Token begin_ = kNoToken; // only where the model wants one
  Token prefix_;
  Token suffix_;
  Token middle_;
  Token repository_; // the last two: kNoToken where the model has none
  Token file_;
};

} // namespace llamabox
