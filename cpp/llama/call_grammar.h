// The grammar that tool calls must follow. Where the model may choose, upstream's, which begins
// with a call's first mark. Where it must call, one that begins at the answer's first token, after
// optional reasoning, and has no room for prose.
// Thread rule: any thread. Only for the files of this folder, since it takes upstream's types.
// Covered by tests/cpp/llama/chat_families_test.cpp.
#pragma once

#include "model/prompt_encoder.h"

#include <string>

struct common_chat_params;

namespace llamabox {

// Empty when the chat has no tools. ERRORS: std::exception from upstream.
Grammar call_grammar(const common_chat_params &params, const ChatPrompt &chat);

// A call, or an answer of the grammar. With `thinks_freely` it is about what follows a thinking
// block, else the block is a part of it. REQUIRES: params were made for a required call.
Grammar call_or_answer_grammar(const common_chat_params &params, const std::string &answer,
                               bool is_enabled, bool thinks_freely);

} // namespace llamabox
