// 20,000 damaged files: each is accepted or refused with a proper sentence. Anything else (another
// exception, a signal, a sanitizer's report) fails. The seed is fixed, so a failure repeats.
#include "gguf_mutator.h"
#include "gguf_refusal.h"

#include <doctest/doctest.h>

using namespace llamabox;
using namespace llamabox::testing;

namespace {

constexpr std::uint64_t kSeed = 20'240'607;
constexpr int kCasesPerModel = 10'000;

// A model that exercises other rules than tiny_model(): arrays per layer, experts, byte tokens.
GgufBuilder rich_model() {
  GgufBuilder b = tiny_model();
  std::vector<std::string> tokens;
  std::vector<std::uint32_t> types;
  for (int i = 0; i < 16; ++i) {
    tokens.push_back(std::string("<0x0") + "0123456789ABCDEF"[i] + ">");
    types.push_back(6);
  }
  b.set_strings("tokenizer.ggml.tokens", tokens).set_string("tokenizer.ggml.model", "llama");
  b.set_words("tokenizer.ggml.token_type", GgufValueType::kInt32, types);
  b.set_words("tokenizer.ggml.scores", GgufValueType::kFloat32, types);
  b.set_words("llama.attention.head_count_kv", GgufValueType::kUint32, {1, 2});
  b.set_u32("llama.expert_count", 4).set_u32("llama.expert_used_count", 2);
  b.set_string("llama.rope.scaling.type", "yarn").set_bool("tokenizer.ggml.add_bos_token", true);
  b.set_u32("llama.attention.key_length", 16).set_u32("llama.attention.value_length", 16);
  return b.set_alignment(64);
}

void fuzz(const GgufBuilder &builder, std::uint64_t seed) {
  const ScratchFolder folder;
  const std::string path = folder.file("model.gguf");
  write_file(path, builder.bytes());
  GgufMutator mutator(builder.bytes(), read_gguf_header(path), seed);
  int accepted = 0;
  for (int i = 0; i < kCasesPerModel; ++i) {
    const std::string bytes = mutator.next();
    write_file(path, bytes);
    const std::string said = refusal_of_path(path);
    accepted += said == "accepted" ? 1 : 0;
    if (said != "accepted" && said.rfind("cannot load model file", 0) != 0) {
      FAIL("case " << i << ": " << said);
    }
  }
  MESSAGE("accepted ", accepted, " of ", kCasesPerModel);
  // Both outcomes must occur, or the damage is too coarse or too fine to prove anything.
  CHECK(accepted > kCasesPerModel / 100);
  CHECK(accepted < kCasesPerModel / 2);
}

} // namespace

TEST_CASE("damaged copies of a plain model are accepted or refused, nothing else") {
  fuzz(tiny_model(), kSeed);
}

TEST_CASE("damaged copies of a model with arrays and experts are accepted or refused") {
  fuzz(rich_model(), kSeed + 1);
}
