// The checks that adapter files pass before they are used: a LoRA before llama.cpp sees it, against
// the tensors of the model it is for; a control vector as it is read here, so that llama.cpp never
// opens that file.
// Thread rule: pure functions, any thread. Covered by tests/cpp/gguf_adapter_test.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace llamabox {

// ERRORS: Error(kLoadFailed) with one sentence that names the file and what is wrong, or that it
// does not fit the model.
void check_lora(const std::string &path, const std::string &model_path);

// The directions of a control vector: for each layer from 1 to n_layers - 1, n_embd numbers; zeros
// for a layer without one. ERRORS: as above.
std::vector<float> read_control_vector(const std::string &path, std::int32_t n_embd,
                                       std::int32_t n_layers);

} // namespace llamabox
