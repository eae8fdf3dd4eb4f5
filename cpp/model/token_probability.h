// A token and how likely it is to be drawn, by a sampler or by a drafter; where there are several,
// they add up to 1.
// Thread rule: plain value. Covered by verify_test and sampler_test.
#pragma once

#include "base/types.h"

namespace llamabox {

struct TokenProbability {
  Token token = kNoToken;
  float probability = 0;
};

} // namespace llamabox
