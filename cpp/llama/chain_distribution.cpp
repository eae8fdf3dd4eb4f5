#include "llama/chain_distribution.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace llamabox {

std::vector<TokenProbability> chain_distribution(llama_sampler *chain,
                                                 llama_token_data_array &candidates) {
  for (std::int32_t i = 0; i + 1 < llama_sampler_chain_n(chain); ++i) {
    llama_sampler_apply(llama_sampler_chain_get(chain, i), &candidates);
  }
  std::vector<TokenProbability> found;
  found.reserve(candidates.size);
  float largest = candidates.data[0].logit;
  for (std::size_t i = 0; i < candidates.size; ++i) {
    largest = std::max(largest, candidates.data[i].logit);
  }
  float sum = 0;
  for (std::size_t i = 0; i < candidates.size; ++i) {
    const float weight = std::exp(candidates.data[i].logit - largest);
    found.push_back({candidates.data[i].id, weight});
    sum += weight;
  }
  for (TokenProbability &one : found) {
    one.probability /= sum;
  }
  return found;
}

} // namespace llamabox
