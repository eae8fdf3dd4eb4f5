// How many tokens of short texts a pass of an encoder should take. Attention looks at all of a
// pass, so that small ones may be quicker for each token; on a large device they leave most of it
// idle. The sizes are tried and the quickest is used.
// Thread rule: engine thread. Guarantee: all sizes but one are tried rarely once they are known.
// Covered by pass_size_test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace llamabox {

class PassSize {
public:
  // `n_most` tokens fit in a pass.
  explicit PassSize(std::int32_t n_most);

  std::int32_t next() const;
  // A pass of so many tokens took so long.
  void observe(std::int32_t n_tokens, double ms);

private:
  struct Size {
    std::int32_t n_tokens = 0;
    double ms_per_token = 0; // 0: not tried yet
  };

  std::size_t quickest() const;

  std::vector<Size> sizes_; // rising
  std::uint32_t n_passes_ = 0;
};

} // namespace llamabox
