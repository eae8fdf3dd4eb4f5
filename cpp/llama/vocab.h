// A model's vocabulary.
// Guarantee: an id outside the vocabulary has an empty piece and ends nothing.
// Thread rule: any thread, const. Covered by tests/cpp/llama/vocab_test.cpp.
#pragma once

#include "model/vocab.h"

#include "llama.h"

namespace llamabox {

class LlamaVocab final : public Vocab {
public:
  // REQUIRES: the model outlives the object.
  explicit LlamaVocab(const llama_vocab *vocab);

  std::int32_t n_tokens() const override { return n_tokens_; }
  bool is_end_of_generation(Token token) const override;
  std::string piece(Token token, bool render_special) const override;
  // ERRORS: Error(kInvalidArgument) when upstream cannot tokenize the text.
  std::vector<Token> tokenize(std::string_view text, TokenizeOptions options) const override;

private:
  const llama_vocab *vocab_;
  std::int32_t n_tokens_;
};

} // namespace llamabox
