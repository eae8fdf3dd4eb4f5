// A model split over several files, "<name>-00001-of-0000N.gguf": finds the parts that belong to
// the first one and checks that the set is complete, in order and of one piece.
// Thread rule: pure functions. Covered by tests/cpp/gguf_split_test.cpp.
#pragma once

#include "guard/gguf_header.h"

#include <cstdint>
#include <string>
#include <vector>

namespace llamabox {

// The path of part `part` (from 1) of `n_parts` whose name begins with `prefix`.
std::string split_part_path(const std::string &prefix, std::uint32_t part, std::uint32_t n_parts);

// The headers of all parts after the first, in order; empty for a model in one file.
// REQUIRES: `first` is what read_gguf_header gave for the path that the user named.
// ERRORS: Error(kLoadFailed): not the first part (the message names it), a part is missing, swapped
// or from another set, a tensor occurs twice, the total differs from what the set claims.
std::vector<GgufHeader> read_split_parts(const GgufHeader &first);

} // namespace llamabox
