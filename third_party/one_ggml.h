// Included before every C++ file of stable-diffusion.cpp, so that it shares this process's ggml.
// Tensor names: it insists on 128 bytes. ggml.h is read with its own 64 first, so that tensors have
// the same layout in the whole process (and on the wire to RPC servers); only then is the constant
// what the assertion wants.
// Calls: those below go through llamabox, which can end a computation and says which device each
// part of a model uses; ggml's log stays ours. The functions are in cpp/image/ggml_hooks.cpp.
#pragma once

#include "ggml.h"

#include "ggml-alloc.h"
#include "ggml-backend.h"

#undef GGML_MAX_NAME
#define GGML_MAX_NAME 128

// Throws where the image is no longer wanted or the computation fails.
ggml_status llamabox_image_compute(ggml_backend_t backend, ggml_cgraph *graph);
ggml_gallocr_t llamabox_image_allocator(ggml_backend_buffer_type_t type);
// These throw where there is no such memory; some callers assert that there is a result.
bool llamabox_image_reserve(ggml_gallocr_t allocator, ggml_cgraph *graph);
bool llamabox_image_allocate(ggml_gallocr_t allocator, ggml_cgraph *graph);
ggml_backend_buffer_t llamabox_image_tensors(ggml_context *context, ggml_backend_t backend);
// A part of a model by its number in cpp/image/ggml_hooks.h.
ggml_backend_t llamabox_image_device(int part);

#define ggml_backend_graph_compute llamabox_image_compute
#define ggml_gallocr_new llamabox_image_allocator
#define ggml_gallocr_reserve llamabox_image_reserve
#define ggml_gallocr_alloc_graph llamabox_image_allocate
#define ggml_backend_alloc_ctx_tensors llamabox_image_tensors
#define ggml_backend_init_by_name(name, params) ((void)(name), llamabox_image_device(0))
#define ggml_log_set(callback, data) ((void)(callback), (void)(data))

// These are inside the CPU's backend, which may be a library that is loaded later. Only a text that
// nobody asks for uses them.
#define ggml_cpu_has_sse3 llamabox_image_unused
#define ggml_cpu_has_avx llamabox_image_unused
#define ggml_cpu_has_avx2 llamabox_image_unused
#define ggml_cpu_has_avx512 llamabox_image_unused
#define ggml_cpu_has_avx512_vbmi llamabox_image_unused
#define ggml_cpu_has_avx512_vnni llamabox_image_unused
#define ggml_cpu_has_fma llamabox_image_unused
#define ggml_cpu_has_neon llamabox_image_unused
#define ggml_cpu_has_arm_fma llamabox_image_unused
#define ggml_cpu_has_f16c llamabox_image_unused
#define ggml_cpu_has_fp16_va llamabox_image_unused
#define ggml_cpu_has_wasm_simd llamabox_image_unused
#define ggml_cpu_has_vsx llamabox_image_unused
