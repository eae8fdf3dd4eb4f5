// Checks the parameters of a context and turns them into llama.cpp's: every value that upstream
// would assert on or quietly change is refused here by name.
// Thread rule: pure functions. ERRORS: Error(kLoadFailed) names the option.
// Covered by load_test and model_options_test.
#pragma once

#include "llama/params.h"

#include "llama.h"

namespace llamabox {

void check_context_params(const llama_model *model, const ContextParams &params);

// REQUIRES: check_context_params() accepts them and the numbers of threads are not 0.
// Sequence ids of a context: one for each slot, and where they cost next to nothing some for what
// ended sequences leave in KV.
std::int32_t n_sequence_ids(const llama_model *model, const ContextParams &params);

llama_context_params upstream_context_params(const ContextParams &params);

// The same with the ids and the rows of logits that a context of this model has. Likewise.
llama_context_params sized_context_params(const llama_model *model, const ContextParams &params);

} // namespace llamabox
