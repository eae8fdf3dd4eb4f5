// Conversations for templates that show one call of a message only: messages with several calls
// become one message for each, followed by the result that belongs to it.
// Thread rule: pure. Covered by tests/cpp/llama/single_calls_test.cpp.
#pragma once

#include "model/prompt_encoder.h"

#include <vector>

namespace llamabox {

// Results stand behind their call by its id; those without one stay in their order. Content and
// thoughts stay with the first call.
std::vector<ChatMessage> with_single_calls(std::vector<ChatMessage> messages);

} // namespace llamabox
