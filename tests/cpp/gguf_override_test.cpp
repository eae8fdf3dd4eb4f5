#include "gguf_refusal.h"
#include "guard/gguf_override.h"

#include <doctest/doctest.h>

using namespace llamabox;
using namespace llamabox::testing;

namespace {

using Value = std::variant<bool, std::int64_t, double, std::string>;

// What the check says of the tiny model with one value replaced.
std::string refusal_with(const std::string &key, const Value &value) {
  const ScratchFolder folder;
  write_file(folder.file("model.gguf"), tiny_model().bytes());
  try {
    check_gguf(folder.file("model.gguf"), std::vector<GgufOverride>{{key, value}});
  } catch (const Error &error) {
    CHECK(error.code() == ErrorCode::kLoadFailed);
    return error.what();
  }
  return "accepted";
}

bool says(const std::string &text, const std::string &part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a value of the right key and type is taken, whether the file has the key or not") {
  CHECK(refusal_with("llama.context_length", std::int64_t{128}) == "accepted");
  CHECK(refusal_with("llama.rope.freq_base", 500000.0) == "accepted");
  CHECK(refusal_with("tokenizer.ggml.add_bos_token", false) == "accepted");
  CHECK(refusal_with("tokenizer.ggml.pre", std::string("qwen2")) == "accepted");
}

TEST_CASE("a value that the loader would assert on is refused as in a file") {
  CHECK(says(refusal_with("llama.attention.head_count_kv", std::int64_t{0}), "head_count_kv"));
  CHECK(says(refusal_with("llama.block_count", std::int64_t{100000}), "block_count"));
  CHECK(says(refusal_with("llama.rope.scaling.type", std::string("spiral")), "unknown kind"));
}

TEST_CASE("a value that would be ignored is refused by its key") {
  CHECK(says(refusal_with("llama.context_length", 1.5), "is of type u32, not f32"));
  CHECK(says(refusal_with("llama.context_length", std::string("x")), "not string"));
  CHECK(says(refusal_with("general.name", std::string("x")), "none that this model reads"));
  CHECK(says(refusal_with("tokenizer.chat_template", std::string("x")), "none that this model"));
  CHECK(says(refusal_with("qwen2.context_length", std::int64_t{1}), "none that this model reads"));
  CHECK(says(refusal_with("llama.x", std::int64_t{-1}), "it must be from 0"));
  CHECK(says(refusal_with("llama.x", std::string(128, 'x')), "more than 127 bytes"));
  CHECK(says(refusal_with("llama." + std::string(128, 'x'), true), "none that this model reads"));
}
