#include "spec/verify.h"

#include <cstddef>

namespace llamabox {

Verdict verify(Sampler &sampler, std::span<const std::span<const float>> rows,
               std::span<const Token> draft) {
  Verdict verdict;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    try {
      const Token token = sampler.sample(rows[i]);
      sampler.accept(token);
      verdict.tokens.push_back(token);
    } catch (const Error &error) {
      verdict.error = error;
      break;
    }
    if (i >= draft.size() || verdict.tokens.back() != draft[i]) {
      break;
    }
    ++verdict.n_accepted;
  }
  return verdict;
}

} // namespace llamabox
