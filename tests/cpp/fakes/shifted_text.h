// What a text that outlives its context must be, worked out without the engine: rows are decoded
// one after the other, and cells dropped by hand when the context is full.
// Thread rule: one thread, the test's.
#pragma once

#include "fake_models.h"

#include <algorithm>
#include <string>
#include <vector>

namespace llamabox {

inline std::string shifted_text(const std::string &prompt, std::int32_t n, std::int32_t n_keep,
                                FakeModelParams model, std::int32_t n_discard = 0) {
  FakeHandles fakes;
  const auto models = load_fake_models(model, &fakes);
  std::vector<Token> tokens(prompt.begin(), prompt.end());
  const auto decode = [&](std::size_t index) {
    const Pos pos = static_cast<Pos>(index);
    Row row;
    row.token = tokens[index];
    row.pos = {pos, pos, pos, pos};
    row.logits = true;
    fakes.runner->decode({row});
  };
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    decode(i);
  }
  std::string text;
  while (static_cast<std::int32_t>(text.size()) < n) {
    const auto logits = fakes.runner->logits(0);
    const auto token = std::ranges::max_element(logits) - logits.begin();
    tokens.push_back(static_cast<Token>(token));
    text += static_cast<char>(token);
    if (static_cast<std::int32_t>(tokens.size()) == model.n_ctx) {
      const std::int32_t begin = std::max(1, n_keep);
      const std::int32_t n_rest = model.n_ctx - 1 - begin;
      const std::int32_t end = begin + (n_discard > 0 ? std::min(n_discard, n_rest) : n_rest / 2);
      fakes.kv->drop(0, begin, end);
      tokens.erase(tokens.begin() + begin, tokens.begin() + end);
    }
    decode(tokens.size() - 1);
  }
  return text;
}

} // namespace llamabox
