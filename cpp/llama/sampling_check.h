// Refuses by name the sampling values that upstream would assert on, divide by or quietly change.
// Thread rule: pure. ERRORS: Error(kInvalidArgument) with the parameter's name.
// Covered by tests/cpp/llama/sampler_test.cpp.
#pragma once

#include "model/sampling_params.h"

namespace llamabox {

void check_sampling(const SamplingParams &params);

} // namespace llamabox
