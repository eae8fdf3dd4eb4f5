// A token and how likely it is to be drawn.
// Thread rule: plain value. Covered by verify_test and sampler_test.
#pragma once

#include "base/types.h"

namespace llamabox {

struct TokenProbability {
  Token token = kNoToken;
  float probability = 0;
};

} // namespace llamabox
