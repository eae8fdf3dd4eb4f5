// Whether an EAGLE-3 head, a model that guesses from the inner states of another one, fits that
// model: what upstream would find out by an assert while it computes.
// Thread rule: pure function; reads the file of the header.
// Covered by tests/cpp/gguf_head_test.cpp.
#pragma once

#include "guard/gguf_header.h"

#include <cstdint>
#include <string>

namespace llamabox {

// The model that the head is for.
struct HeadTarget {
  std::uint64_t n_embd = 0;
  std::uint64_t n_vocab = 0;
  std::uint64_t n_layers = 0; // without those for further tokens
};

// What is wrong, as "it ..."; empty where it fits. REQUIRES: `header` passed check_gguf().
// ERRORS: Error(kLoadFailed) when the file ends too early.
std::string head_problem(const GgufHeader &header, const HeadTarget &target);

} // namespace llamabox
