// The rules for hyper-parameters and tensor types of text models, one case each.
#include "gguf_refusal.h"
#include "guard/gguf_model_rules.h"

#include <doctest/doctest.h>

#include <limits>

using namespace llamabox;
using namespace llamabox::testing;

namespace {

// The tiny model under another architecture's name, with the keys renamed.
GgufBuilder tiny_model_of(const std::string &architecture) {
  GgufBuilder b = tiny_model();
  b.set_string("general.architecture", architecture);
  const std::string prefix = architecture + ".";
  b.set_u32(prefix + "context_length", 64).set_u32(prefix + "embedding_length", 32);
  b.set_u32(prefix + "block_count", 2);
  b.set_u32(prefix + "attention.head_count", 2).set_u32(prefix + "attention.head_count_kv", 1);
  return b;
}

} // namespace

TEST_CASE("the architecture must be a plain name") {
  CHECK_REFUSED(tiny_model().erase("general.architecture"), "'general.architecture' is missing");
  CHECK_REFUSED(tiny_model().set_u32("general.architecture", 1), "must be a string");
  CHECK_REFUSED(tiny_model().set_string("general.architecture", ""), "which is no name");
  CHECK_REFUSED(tiny_model().set_string("general.architecture", "a b"), "which is no name");
  CHECK_REFUSED(tiny_model().set_string("general.architecture", std::string(65, 'a')),
                "which is no name");
}

TEST_CASE("files of another kind are refused by kind") {
  CHECK_REFUSED(tiny_model().set_string("general.architecture", "clip"), "multimodal projector");
  CHECK_REFUSED(tiny_model().set_string("general.type", "mmproj"), "multimodal projector");
  CHECK_REFUSED(tiny_model().set_string("general.type", "adapter"), "an adapter");
  CHECK_REFUSED(tiny_model().set_string("general.architecture", "controlvector"),
                "a control vector");
}

TEST_CASE("required sizes must be there, of type u32 and in range") {
  for (const char *key : {"block_count", "context_length", "embedding_length"}) {
    const std::string name = std::string("llama.") + key;
    CHECK_REFUSED(tiny_model().erase(name), "'" + name + "' is missing");
    CHECK_REFUSED(tiny_model().set_u32(name, 0), "is 0, it must be from 1");
    CHECK_REFUSED(tiny_model().set_u32(name, 0xffff'ffffU), "it must be from 1");
    CHECK_REFUSED(tiny_model().set_i32(name, 2), "must be of type u32, it is i32");
  }
  CHECK_REFUSED(tiny_model().set_u32("llama.block_count", 513), "from 1 to 512");
  CHECK_REFUSED(tiny_model().set_u32("llama.nextn_predict_layers", 2), "from 0 to 1");
  CHECK_REFUSED(tiny_model().set_u32("llama.vocab_size", (1U << 22U) + 1), "llama.vocab_size");
  CHECK_REFUSED(tiny_model().set_u32("llama.attention.sliding_window", 0x8000'0000U),
                "sliding_window");
}

TEST_CASE("head counts must divide each other and the embedding") {
  CHECK_REFUSED(tiny_model().set_u32("llama.attention.head_count", 0), "is 0 in layer 0");
  CHECK_REFUSED(tiny_model().erase("llama.attention.head_count"), "is 0 in layer 0");
  CHECK_REFUSED(tiny_model().set_u32("llama.attention.head_count_kv", 0), "is 0 in layer 0");
  CHECK_REFUSED(tiny_model().set_u32("llama.attention.head_count", 3),
                "does not divide the embedding");
  CHECK_REFUSED(tiny_model().set_u32("llama.attention.head_count", 64), "larger than the embed");
  CHECK_REFUSED(tiny_model().set_u32("llama.attention.head_count", 70'000), "is 70000 in layer");
  CHECK_REFUSED(tiny_model().set_u32("llama.attention.head_count_kv", 3), "does not divide the 2");
  CHECK_REFUSED(tiny_model().set_u32("llama.attention.head_count_kv", 4), "does not divide the 2");
}

TEST_CASE("head counts may be one number per layer") {
  const std::string key = "llama.attention.head_count_kv";
  const auto words = [&](GgufValueType type, std::vector<std::uint32_t> values) {
    return tiny_model().set_words(key, type, values);
  };
  CHECK(refusal_of(words(GgufValueType::kUint32, {1, 2})) == "accepted");
  CHECK(refusal_of(words(GgufValueType::kInt32, {1, 2})) == "accepted");
  CHECK_REFUSED(words(GgufValueType::kInt32, {1, 0xffff'ffffU}), "in layer 1");
  CHECK_REFUSED(words(GgufValueType::kUint32, {1}), "has 1 values for 2 layers");
  CHECK_REFUSED(words(GgufValueType::kFloat32, {1, 1}), "must hold numbers");
  CHECK_REFUSED(words(GgufValueType::kUint32, {1, 0}), "is 0 in layer 1");
}

TEST_CASE("layers without attention are allowed where the architecture has them") {
  GgufBuilder b = tiny_model_of("jamba").set_u32("jamba.ssm.inner_size", 64);
  b.set_words("jamba.attention.head_count_kv", GgufValueType::kUint32, {0, 1});
  CHECK(refusal_of(b) == "accepted");
  CHECK(refusal_of(tiny_model_of("mamba")
                       .set_u32("mamba.attention.head_count", 0)
                       .set_u32("mamba.attention.head_count_kv", 0)) == "accepted");
}

TEST_CASE("head sizes and rotary dimensions must fit each other") {
  CHECK_REFUSED(tiny_model().set_u32("llama.rope.dimension_count", 32), "from 2 to 16");
  for (const std::uint32_t bad : {0U, 1U, 5U}) {
    CHECK_REFUSED(tiny_model_of("gemma3").set_u32("gemma3.rope.dimension_count", bad),
                  "rope.dimension_count' is " + std::to_string(bad));
    CHECK_REFUSED(tiny_model_of("gemma3").set_u32("gemma3.rope.dimension_count_swa", bad),
                  "rope.dimension_count_swa' is " + std::to_string(bad));
  }
  CHECK_REFUSED(tiny_model_of("gemma3").set_u32("gemma3.rope.dimension_count_swa", 18),
                "from 1 to 16");
  CHECK_REFUSED(tiny_model_of("gemma3").set_u32("gemma3.attention.key_length_swa", 8),
                "rope.dimension_count_swa' is 16, it must be from 1 to 8");
  CHECK_REFUSED(tiny_model_of("gemma3").set_u32("gemma3.attention.value_length_swa", 0),
                "value_length_swa' is 0");
  CHECK_REFUSED(tiny_model().set_u32("llama.rope.dimension_count", 8), "one even size");
  CHECK_REFUSED(tiny_model().set_u32("llama.attention.key_length", 32), "one even size");
  CHECK_REFUSED(tiny_model().set_u32("llama.attention.key_length", 0), "key_length' is 0");
  CHECK_REFUSED(tiny_model().set_u32("llama.attention.value_length", 0), "value_length' is 0");
  CHECK_REFUSED(tiny_model()
                    .set_u32("llama.attention.key_length", 15)
                    .set_u32("llama.attention.value_length", 15)
                    .erase("llama.rope.dimension_count"),
                "one even size");
  CHECK_REFUSED(tiny_model_of("granite_swa").set_u32("granite_swa.rope.dimension_count", 8),
                "one even size");
  // Other architectures rotate a part of each head.
  CHECK(refusal_of(tiny_model_of("stablelm").set_u32("stablelm.rope.dimension_count", 4)) ==
        "accepted");
}

TEST_CASE("a sliding window must be used by a layer") {
  const std::string pattern = "gemma3.attention.sliding_window_pattern";
  GgufBuilder b = tiny_model_of("gemma3").set_u32(pattern, 1);
  CHECK(refusal_of(b) == "accepted");
  b.set_u32("gemma3.attention.sliding_window", 8);
  CHECK_REFUSED(b, "gives no layer the sliding window");
  CHECK(refusal_of(b.set_u32(pattern, 2)) == "accepted");
  CHECK(refusal_of(b.set_words(pattern, GgufValueType::kUint32, {0, 1})) == "accepted");
  CHECK_REFUSED(b.set_words(pattern, GgufValueType::kUint32, {0, 0}), "gives no layer");
  CHECK_REFUSED(b.set_words(pattern, GgufValueType::kUint32, {}), "gives no layer");
}

TEST_CASE("expert counts must be consistent") {
  CHECK_REFUSED(tiny_model().set_u32("llama.expert_count", 1025), "from 0 to 1024");
  CHECK_REFUSED(tiny_model().set_u32("llama.expert_count", 4), "expert_used_count' is 0");
  CHECK_REFUSED(tiny_model().set_u32("llama.expert_used_count", 1), "expert_used_count' is 1");
  GgufBuilder b = tiny_model();
  b.set_u32("llama.expert_count", 4).set_u32("llama.expert_used_count", 2);
  CHECK(refusal_of(b) == "accepted");
  CHECK_REFUSED(GgufBuilder(b).set_u32("llama.expert_used_count", 5), "from 1 to 4");
  CHECK_REFUSED(GgufBuilder(b).set_u32("llama.expert_group_count", 4), "from 0 to 3");
  CHECK_REFUSED(GgufBuilder(b).set_u32("llama.expert_group_count", 3), "does not divide");
  CHECK_REFUSED(GgufBuilder(b).set_u32("llama.expert_group_count", 2), "group_used_count' is 0");
  CHECK_REFUSED(GgufBuilder(b).set_u32("llama.expert_gating_func", 5), "from 0 to 4");
  CHECK_REFUSED(tiny_model_of("ernie4_5-moe").set_u32("ernie4_5-moe.interleave_moe_layer_step", 0),
                "interleave_moe_layer_step' is 0");
}

TEST_CASE("the state of grouped recurrent layers must divide evenly") {
  GgufBuilder b = tiny_model_of("mamba2");
  b.set_u32("mamba2.ssm.inner_size", 64).set_u32("mamba2.ssm.time_step_rank", 4);
  b.set_u32("mamba2.ssm.group_count", 2);
  CHECK(refusal_of(b) == "accepted");
  CHECK_REFUSED(GgufBuilder(b).set_u32("mamba2.ssm.group_count", 0), "group_count' is 0");
  CHECK_REFUSED(GgufBuilder(b).set_u32("mamba2.ssm.time_step_rank", 3), "does not divide");
  CHECK_REFUSED(tiny_model_of("jamba").set_u32("jamba.ssm.inner_size", 32),
                "must be twice the embedding length");
}

TEST_CASE("names of kinds must be known") {
  CHECK_REFUSED(tiny_model().set_string("llama.rope.scaling.type", "huge"), "unknown kind 'huge'");
  CHECK_REFUSED(tiny_model().set_u32("llama.rope.scaling.type", 1), "must be a string");
  CHECK(refusal_of(tiny_model().set_string("llama.rope.scaling.type", "yarn")) == "accepted");
  CHECK_REFUSED(tiny_model().set_string("llama.classifier.activation", "x"), "unknown kind 'x'");
  CHECK_REFUSED(tiny_model().set_u32("llama.pooling_type", 5), "from 0 to 4");
}

TEST_CASE("numbers that no kernel can compute with are refused") {
  const std::string epsilon = "llama.attention.layer_norm_rms_epsilon";
  CHECK_REFUSED(tiny_model().set_f32(epsilon, -1.0F), "not a usable number");
  CHECK_REFUSED(tiny_model().set_f32(epsilon, std::numeric_limits<float>::quiet_NaN()),
                "not a usable number");
  CHECK_REFUSED(tiny_model().set_u32(epsilon, 1), "must be of type f32");
  CHECK_REFUSED(tiny_model().set_f32("llama.rope.freq_base", 0.0F), "not a usable number");
  CHECK_REFUSED(
      tiny_model().set_f32("llama.rope.scaling.factor", std::numeric_limits<float>::infinity()),
      "not a usable number");
}

TEST_CASE("tensor types must suit the place where they stand") {
  GgufBuilder b = tiny_model();
  b.add_tensor("blk.0.attn_q.bias", {32}, 1);
  CHECK_REFUSED(b, "'blk.0.attn_q.bias' of type f16 must be f32");
  CHECK_REFUSED(tiny_model().add_tensor("blk.0.attn_q_norm.weight", {32, 2}, 8), "must be f32");
  CHECK_REFUSED(tiny_model().add_tensor("blk.0.ssm_conv1d.weight", {4, 32}, 1), "must be f32");
  CHECK_REFUSED(tiny_model().add_tensor("rope_freqs.weight", {8}, 1), "must be f32");
  for (const std::uint32_t type : {9U, 24U, 25U, 26U, 27U, 28U}) {
    CHECK_REFUSED(tiny_model().add_tensor("output.weight", {32, 16}, type), "cannot be computed");
  }
  CHECK_REFUSED(tiny_model().add_tensor("output.weight", {256, 2}, 15), "cannot be computed");
  CHECK(refusal_of(tiny_model().add_tensor("blk.0.ffn_gate_tid2eid.weight", {2, 16}, 26)) ==
        "accepted");
}
