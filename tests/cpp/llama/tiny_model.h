// What the adapters' tests share: where the tiny models are, small parameters, batches of rows, and
// what counts as the same logits.
// Thread rule: test code, one thread. Covered by its users.
#pragma once

#include "base/error.h"
#include "engine/models.h"
#include "llama/load_models.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace llamabox {

inline std::string model_path(const std::string &name) {
  const std::string root = LLAMABOX_SOURCE_DIR;
  return name == "demo" ? root + "/python/llamabox/models/demo.gguf"
                        : root + "/tests/models/" + name + ".gguf";
}

inline LlamaParams small_params(const std::string &name) {
  LlamaParams params;
  params.model.model_path = model_path(name);
  params.context.n_ctx = 512;
  params.context.n_batch = 256;
  params.context.n_ubatch = 64;
  params.context.n_slots = 4;
  params.context.n_threads = 1;
  params.context.placement.poll = 0;
  params.context.placement_batch.poll = 0;
  return params;
}

inline std::unique_ptr<Models> load(const std::string &name) {
  return load_models(small_params(name));
}

// Tokens that differ from each other for a while; every tiny vocabulary has 1,000 ordinary ones.
inline std::vector<Token> some_tokens(std::int32_t n, std::int32_t start = 0) {
  std::vector<Token> tokens;
  tokens.reserve(static_cast<std::size_t>(n));
  for (std::int32_t i = 0; i < n; ++i) {
    tokens.push_back(40 + (start + i * 37) % 900);
  }
  return tokens;
}

inline void append_rows(Batch &batch, SeqId seq, Pos begin, std::span<const Token> tokens) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const Pos pos = begin + static_cast<Pos>(i);
    batch.push_back({.token = tokens[i], .pos = {pos, pos, pos, pos}, .seq = seq});
  }
}

inline Batch rows(SeqId seq, Pos begin, std::span<const Token> tokens) {
  Batch batch;
  append_rows(batch, seq, begin, tokens);
  batch.back().logits = true;
  return batch;
}

inline std::vector<float> copy_logits(Runner &runner, std::int32_t row) {
  const std::span<const float> logits = runner.logits(row);
  return {logits.begin(), logits.end()};
}

// Logits after the last token; the rows go in one decode call. REQUIRES: they fit.
inline std::vector<float> run(Models &models, SeqId seq, Pos begin, std::span<const Token> tokens) {
  const Batch batch = rows(seq, begin, tokens);
  REQUIRE(models.runner->decode(batch) == DecodeStatus::kOk);
  return copy_logits(*models.runner, static_cast<std::int32_t>(batch.size()) - 1);
}

inline std::size_t best_of(std::span<const float> logits) {
  return static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

inline float largest_difference(std::span<const float> a, std::span<const float> b) {
  REQUIRE(a.size() == b.size());
  float largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(a[i] - b[i]));
  }
  return largest;
}

// The largest difference as a share of the expected logits' spread.
inline float difference(std::span<const float> expected, std::span<const float> found) {
  const auto [least, most] = std::minmax_element(expected.begin(), expected.end());
  return largest_difference(expected, found) / (*most - *least);
}

// What rounding may make of that, since ggml takes other kernels for one row than for several. The
// input of 8-bit weights is cut to 8 bits, where a last-bit difference becomes a step: measured up
// to 1.5 %, against 0.1 % for 16-bit weights, whose models show one wrong token of the prompt
// (0.2 % and more).
inline float rounding_of(const Models &models) {
  const bool has_8_bit_weights = 2 * models.info.size_bytes < 3 * models.info.n_params;
  return has_8_bit_weights ? 0.03F : 0.0015F;
}

// Logits of one prompt run in two ways: the same choice, and nearly the same values.
inline void check_same(const Models &models, std::span<const float> a, std::span<const float> b) {
  CHECK(best_of(a) == best_of(b));
  CHECK(difference(a, b) < rounding_of(models));
}

// The error a call ends with; its code is kNone when the call ends well.
template <class Call> Error error_of(Call call) {
  try {
    call();
  } catch (const Error &error) {
    return error;
  }
  return {ErrorCode::kNone, "no error"};
}

inline bool contains(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}

} // namespace llamabox
