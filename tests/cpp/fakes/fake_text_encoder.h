// An encoder whose every number is known: a text's vector is made of the bytes its place holds, a
// score counts the query's bytes that the document has. A wrong place, a stale or a lost piece
// changes the numbers.
// Thread rule: as the interface.
#pragma once

#include "base/error.h"
#include "fake_clock.h"
#include "model/text_encoder.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace llamabox {

struct FakeTextParams {
  bool embeds = true;
  bool ranks = true;
  std::int32_t n_batch = 32;
  std::int32_t n_texts = 8;
  std::int32_t n_ctx = 64;
  bool can_split = false;
  PieceJoin join = PieceJoin::kLast;
  std::uint64_t n_prepared_bytes = 0; // of what is made for the first text of a kind
  bool cannot_prepare = false;        // it fails
};

inline constexpr Token kFakeBetween = 257; // between query and document
inline constexpr Token kFakeUnknown = 258;

class FakeTextEncoder final : public TextEncoder {
public:
  static constexpr std::int32_t kDims = 4;

  explicit FakeTextEncoder(FakeTextParams params) : params_(params) {}

  bool supports(EncodeKind kind) const override {
    return kind == EncodeKind::kEmbed ? params_.embeds : params_.ranks;
  }

  EncodeLimits limits(EncodeKind kind) const override {
    const bool ranks = kind == EncodeKind::kRerank;
    return {params_.n_batch,
            params_.n_texts,
            params_.n_ctx,
            params_.can_split,
            ranks ? PieceJoin::kLast : params_.join,
            ranks ? 1 : kDims};
  }

  std::uint64_t prepare(EncodeKind kind) override {
    if (params_.n_prepared_bytes == 0 || std::exchange(is_prepared_[kind], true)) {
      return 0;
    }
    if (params_.cannot_prepare) {
      throw Error(ErrorCode::kUnavailable, "no memory is left");
    }
    return params_.n_prepared_bytes;
  }

  std::vector<Token> tokens(const EncodeInput &input) const override {
    if (const auto *ids = std::get_if<TokenPrompt>(&input)) {
      const auto is_foreign = [](Token t) { return t < 0 || t > kFakeUnknown; };
      if (std::ranges::any_of(ids->tokens, is_foreign)) {
        throw Error(ErrorCode::kInvalidArgument, "a token is not in the vocabulary", "text");
      }
      return ids->tokens;
    }
    std::vector<Token> tokens;
    const auto add = [&](const std::string &text) {
      for (const char c : text) {
        tokens.push_back(static_cast<unsigned char>(c));
      }
    };
    if (const auto *text = std::get_if<TextPrompt>(&input)) {
      add(text->text);
    } else {
      const auto &pair = std::get<PairPrompt>(input);
      add(pair.query);
      tokens.push_back(kFakeBetween);
      if (pair.document) {
        add(*pair.document);
      } else {
        tokens.push_back(kFakeUnknown);
      }
    }
    if (tokens.empty()) {
      tokens.push_back(kFakeUnknown);
    }
    return tokens;
  }

  void set_loras(std::span<const LoraScale> loras) override {
    ++n_switches;
    lora_sum_ = 0;
    for (const LoraScale &lora : loras) {
      lora_sum_ += static_cast<float>(lora.id + 1) * lora.scale;
    }
  }

  bool encode(EncodeKind kind, std::span<const EncodePiece> pieces) override {
    passes.push_back(static_cast<std::int32_t>(pieces.size()));
    outputs_.clear();
    std::int32_t n_tokens = 0;
    if (n_failures > 0) {
      --n_failures;
      held_.clear();
      return false;
    }
    for (const EncodePiece &piece : pieces) {
      std::vector<Token> &held = held_[piece.seq];
      if (held.size() != static_cast<std::size_t>(piece.first)) {
        throw std::logic_error("a place holds another text");
      }
      outputs_.push_back(output_of(kind, piece, held));
      if (piece.is_last) {
        held_.erase(piece.seq);
      }
      n_tokens += static_cast<std::int32_t>(piece.tokens.size());
    }
    tokens_of_passes.push_back(n_tokens);
    if (clock) {
      clock->advance_ms(ms_per_token * n_tokens);
    }
    return true;
  }

  std::span<const float> output(std::size_t piece) override { return outputs_.at(piece); }
  void forget(EncodeKind /*kind*/, SeqId seq) override { held_.erase(seq); }
  std::size_t n_held() const { return held_.size(); }

  // What a text alone gives: its length, its last byte, the sum of its bytes, the adapters.
  static std::vector<float> row(std::span<const Token> text, float loras = 0) {
    float sum = 0;
    for (const Token token : text) {
      sum += static_cast<float>(token);
    }
    return {static_cast<float>(text.size()), static_cast<float>(text.back()), sum, loras};
  }

  FakeClock *clock = nullptr; // advanced by each pass when set
  double ms_per_token = 1;
  int n_failures = 0;                         // of the next passes
  int n_switches = 0;                         // of the set of adapters
  std::vector<std::int32_t> passes;           // pieces of each
  std::vector<std::int32_t> tokens_of_passes; // of those that went well

private:
  std::vector<float> output_of(EncodeKind kind, const EncodePiece &piece,
                               std::vector<Token> &held) const {
    std::vector<float> rows;
    for (const Token token : piece.tokens) {
      held.push_back(token);
      if (params_.join == PieceJoin::kAppend) {
        const std::vector<float> one = row(held, lora_sum_);
        rows.insert(rows.end(), one.begin(), one.end());
      }
    }
    if (kind == EncodeKind::kRerank) {
      return {score(held)};
    }
    if (params_.join == PieceJoin::kMean) {
      return {static_cast<float>(piece.tokens.front()), 1, 2, 3};
    }
    return params_.join == PieceJoin::kAppend ? rows : row(held, lora_sum_);
  }

  static float score(const std::vector<Token> &held) {
    const auto between = std::ranges::find(held, kFakeBetween);
    const auto in_document = [&](Token t) {
      return std::find(between, held.end(), t) != held.end();
    };
    return static_cast<float>(std::count_if(held.begin(), between, in_document));
  }

  FakeTextParams params_;
  std::map<SeqId, std::vector<Token>> held_;
  std::map<EncodeKind, bool> is_prepared_;
  std::vector<std::vector<float>> outputs_;
  float lora_sum_ = 0;
};

} // namespace llamabox
