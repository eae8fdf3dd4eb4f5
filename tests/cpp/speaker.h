// A sampler that wants to say one text, a byte at a time, whatever was chosen instead.
// Thread rule: test code, one thread.
// Covered by its users.
#pragma once

#include "model/sampler.h"

#include <cstddef>
#include <span>
#include <string>
#include <utility>

namespace llamabox {

class Speaker final : public Sampler {
public:
  // What it was told to accept and to remember goes to the two texts, where there are some.
  explicit Speaker(std::string text, std::string *accepted = nullptr,
                   std::string *remembered = nullptr)
      : text_(std::move(text)), accepted_(accepted), remembered_(remembered) {}

  Token sample(std::span<const float> /*logits*/) override {
    return static_cast<unsigned char>(text_.at(at_));
  }
  void accept(Token token) override {
    at_ += token == static_cast<unsigned char>(text_.at(at_)) ? 1 : 0;
    note(accepted_, token);
  }
  void remember(Token token) override { note(remembered_, token); }

private:
  static void note(std::string *to, Token token) {
    if (to != nullptr) {
      *to += static_cast<char>(token);
    }
  }

  std::string text_;
  std::string *accepted_;
  std::string *remembered_;
  std::size_t at_ = 0;
};

} // namespace llamabox
