// The vocabulary: text to tokens, tokens to bytes.
// Thread rule: any thread; everything is const.
// Covered by vocab_test of the adapters.
#pragma once

#include "base/types.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace llamabox {

struct TokenizeOptions {
  bool add_special = false;  // begin and end tokens as the model wants them
  bool parse_special = true; // special tokens written as text become tokens
};

class Vocab {
public:
  virtual ~Vocab() = default;
  virtual std::int32_t n_tokens() const = 0;
  virtual bool is_end_of_generation(Token token) const = 0;

  // Bytes of a token, not always whole UTF-8; special tokens are empty unless render_special.
  virtual std::string piece(Token token, bool render_special) const = 0;
  virtual std::vector<Token> tokenize(std::string_view text, TokenizeOptions options) const = 0;
};

} // namespace llamabox
