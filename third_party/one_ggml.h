// Included before every file of stable-diffusion.cpp, which insists on tensor names of 128 bytes.
// ggml.h is read with its own 64 first, so that tensors have the same layout in the whole process
// (and on the wire to RPC servers); only then is the constant what the assertion wants.
#pragma once

#include "ggml.h"

#undef GGML_MAX_NAME
#define GGML_MAX_NAME 128
