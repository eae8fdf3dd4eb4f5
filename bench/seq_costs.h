// What upstream's operations on sequences cost in unified KV of 8k, 128k and 1M cells that is
// almost full: each looks at every cell.
// Thread rule: one thread. Guarantee: prints one line of key=value for each size, medians.
// Covered by: a benchmark, run by hand.
#pragma once

#include "llama.h"

#include <cstdint>

// REQUIRES: the model is tiny; a million cells of it must fit into memory.
void print_seq_costs(llama_model *model, std::int32_t n_threads);
