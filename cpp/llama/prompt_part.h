// What a prompt with media is made of, in order: pieces of text, and pictures or sounds.
// Thread rule: plain value; what it points to outlives it.
// Covered by tests/cpp/llama/media_test.cpp.
#pragma once

#include "model/media.h"

#include <string>

namespace llamabox {

struct PromptPart {
  std::string text;
  const MediaPlace *media = nullptr; // not null: instead of text
};

} // namespace llamabox
