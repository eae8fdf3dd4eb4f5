// The one place where a model file becomes an engine's Models: header check, load, context,
// adapters, warm-up.
// Thread rule: any one thread; takes seconds to minutes, so the caller releases what it holds.
// ERRORS: Error(kLoadFailed) with one sentence, Error(kDeviceLost); nothing stays loaded.
// Covered by load_test.
#pragma once

#include "engine/models.h"
#include "llama/params.h"

#include <memory>
#include <string>
#include <vector>

namespace llamabox {

std::unique_ptr<Models> load_models(const LlamaParams &params);

} // namespace llamabox
