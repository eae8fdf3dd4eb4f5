// Functionary 3.2's answers: content for all and any number of calls, each behind ">>>" and its
// recipient. Upstream's reader of the format knows one call only, and none behind content.
// Thread rule: any thread. Only for the files of this folder, since it takes upstream's types.
// Covered by tests/cpp/llama/chat_families_test.cpp.
#pragma once

#include "model/prompt_encoder.h"

struct common_chat_params;

namespace llamabox {

// Replaces reader, grammar and triggers where the answer is of this format and has tools.
// ERRORS: std::exception from upstream, for a tool's schema.
void read_functionary_calls(common_chat_params &params, const ChatPrompt &chat);

} // namespace llamabox
