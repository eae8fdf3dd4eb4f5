// Included before every C++ file of stable-diffusion.cpp where it is built as published, for its
// own tool: the first half of one_ggml.h. Tensor names stay 64 bytes long, as llama.cpp's ggml has
// them; only the assertion sees the 128 that it insists on.
#pragma once

#include "ggml.h"

#undef GGML_MAX_NAME
#define GGML_MAX_NAME 128
