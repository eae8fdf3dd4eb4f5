// The states that a model reached at the rows of its last decode. One implementation on llama.cpp,
// one fake.
// Thread rule: engine thread. Covered by draft_proposer_test on the fake and draft_head_test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace llamabox {

class StateSource {
public:
  virtual ~StateSource() = default;

  // Numbers of one state.
  virtual std::size_t width() const = 0;

  // Appends the states at the rows [first, first + n) of the last decode, which was kOk.
  virtual void read(std::int32_t first, std::int32_t n, std::vector<float> &into) = 0;
};

} // namespace llamabox
