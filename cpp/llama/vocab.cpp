#include "llama/vocab.h"

#include "base/error.h"

#include <array>
#include <exception>
#include <limits>

namespace llamabox {

LlamaVocab::LlamaVocab(const llama_vocab *vocab)
    : vocab_(vocab), n_tokens_(llama_vocab_n_tokens(vocab)) {}

bool LlamaVocab::is_end_of_generation(Token token) const {
  return token >= 0 && token < n_tokens_ && llama_vocab_is_eog(vocab_, token);
}

std::string LlamaVocab::piece(Token token, bool render_special) const {
  if (token < 0 || token >= n_tokens_) {
    return {};
  }
  std::array<char, 128> small;
  const std::int32_t n =
      llama_token_to_piece(vocab_, token, small.data(), small.size(), 0, render_special);
  if (n >= 0) {
    return {small.data(), static_cast<std::size_t>(n)};
  }
  std::string large(static_cast<std::size_t>(-n), '\0');
  llama_token_to_piece(vocab_, token, large.data(), -n, 0, render_special);
  return large;
}

std::vector<Token> LlamaVocab::tokenize(std::string_view text, TokenizeOptions options) const {
  // No token is shorter than a byte; two more for the begin and end tokens.
  constexpr std::size_t kMaxBytes = std::numeric_limits<std::int32_t>::max() - 2;
  if (text.size() > kMaxBytes) {
    throw Error(ErrorCode::kInvalidArgument, "the text is longer than 2 GiB");
  }
  const auto n_bytes = static_cast<std::int32_t>(text.size());
  std::vector<Token> tokens(text.size() / 3 + 16);
  try {
    for (;;) {
      const auto room = static_cast<std::int32_t>(tokens.size());
      const std::int32_t n = llama_tokenize(vocab_, text.data(), n_bytes, tokens.data(), room,
                                            options.add_special, options.parse_special);
      if (n >= 0) {
        tokens.resize(static_cast<std::size_t>(n));
        return tokens;
      }
      if (n == std::numeric_limits<std::int32_t>::min()) {
        throw Error(ErrorCode::kInvalidArgument, "the text has too many tokens");
      }
      tokens.resize(static_cast<std::size_t>(-n));
    }
  } catch (const Error &) {
    throw;
  } catch (const std::exception &error) {
    throw Error(ErrorCode::kInvalidArgument,
                std::string("the text cannot be tokenized: ") + error.what());
  }
}

} // namespace llamabox
