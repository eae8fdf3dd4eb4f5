// What a text model's tokenizer must fulfil: the arrays agree in length, no two tokens have the
// same text, byte tokens are well-formed, special ids lie inside the vocabulary. The loader's code
// answers each of these with an assert or a stray write instead of an error.
// Thread rule: pure functions. Covered by tests/cpp/gguf_vocab_rules_test.cpp.
#pragma once

#include "guard/gguf_header.h"

#include <cstdint>

namespace llamabox {

// Returns the number of tokens. ERRORS: Error(kLoadFailed) with one sentence that names the file,
// the key and what is wrong.
std::uint32_t check_tokenizer(const GgufHeader &header);

} // namespace llamabox
