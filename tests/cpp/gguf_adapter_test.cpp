#include "base/error.h"
#include "gguf_builder.h"
#include "gguf_mutator.h"
#include "guard/gguf_adapter.h"

#include <doctest/doctest.h>

using namespace llamabox;
using namespace llamabox::testing;

namespace {

constexpr std::uint32_t kF16 = 1;
constexpr std::uint32_t kI32 = 26;

GgufBuilder tiny_lora() {
  GgufBuilder b;
  b.set_string("general.architecture", "llama").set_string("general.type", "adapter");
  b.set_string("adapter.type", "lora").set_f32("adapter.lora.alpha", 4.0F);
  b.add_tensor("blk.0.attn_q.weight.lora_a", {32, 4}, kF16);
  b.add_tensor("blk.0.attn_q.weight.lora_b", {4, 32}, kF16);
  b.add_tensor("token_embd.weight.lora_a", {4, 16});
  b.add_tensor("token_embd.weight.lora_b", {4, 32});
  return b;
}

GgufBuilder tiny_vector() {
  GgufBuilder b;
  b.set_string("general.architecture", "controlvector");
  return b.add_tensor("direction.1", {32});
}

template <class Check> std::string said(Check check) {
  try {
    check();
  } catch (const Error &error) {
    CHECK(error.code() == ErrorCode::kLoadFailed);
    const std::string message = error.what();
    CHECK(message.find('\n') == std::string::npos);
    CHECK(message.find(".gguf") != std::string::npos);
    return message;
  }
  return "accepted";
}

std::string lora_refusal(const std::string &bytes) {
  const ScratchFolder folder;
  write_file(folder.file("model.gguf"), tiny_model().bytes());
  write_file(folder.file("lora.gguf"), bytes);
  return said([&] { check_lora(folder.file("lora.gguf"), folder.file("model.gguf")); });
}

std::string vector_refusal(const std::string &bytes) {
  const ScratchFolder folder;
  write_file(folder.file("vector.gguf"), bytes);
  return said([&] { read_control_vector(folder.file("vector.gguf"), 32, 3); });
}

bool has(const std::string &text, const std::string &part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a LoRA that fits its model passes") {
  CHECK(lora_refusal(tiny_lora().bytes()) == "accepted");
}

TEST_CASE("a LoRA of another kind or for another model is refused") {
  const auto with = [](const char *key, const char *value) {
    return lora_refusal(tiny_lora().set_string(key, value).bytes());
  };
  CHECK(has(with("general.type", "model"), "not 'adapter'"));
  CHECK(has(with("adapter.type", "ia3"), "not 'lora'"));
  CHECK(has(with("general.architecture", "qwen2"), "not 'llama'"));
  CHECK(has(lora_refusal(tiny_model().bytes()), "not 'adapter'"));
  CHECK(has(lora_refusal(tiny_lora().set_u32("adapter.lora.alpha", 4).bytes()), "type f32"));
  GgufBuilder activated = tiny_lora();
  activated.set_words("adapter.alora.invocation_tokens", GgufValueType::kUint32, {1});
  CHECK(has(lora_refusal(activated.bytes()), "activated LoRA"));
}

TEST_CASE("a LoRA whose halves do not fit is refused by the tensor's name") {
  const std::string q = "blk.0.attn_q.weight";
  const auto changed = [&](const std::string &name, std::vector<std::uint64_t> dims) {
    GgufBuilder b = tiny_lora();
    std::erase_if(b.tensors, [&](const BuiltTensor &t) { return t.name == name; });
    if (!dims.empty()) {
      b.add_tensor(name, std::move(dims), kF16);
    }
    return lora_refusal(b.bytes());
  };
  CHECK(has(changed(q + ".lora_b", {}), "no second half"));
  CHECK(has(changed(q + ".lora_a", {}), "no first half"));
  for (const std::vector<std::uint64_t> &dims :
       {std::vector<std::uint64_t>{4, 16}, {8, 32}, {4, 32, 2}, {32, 4}}) {
    CHECK(has(changed(q + ".lora_b", dims), "does not have the model's shape"));
  }
  // The halves of the token table share their rank, which upstream takes on trust.
  CHECK(has(changed("token_embd.weight.lora_b", {8, 32}), "does not have the model's shape"));
}

TEST_CASE("tensors that are no LoRA of the model are refused") {
  const auto added = [](const std::string &name, std::uint32_t type = kF16) {
    return lora_refusal(tiny_lora().add_tensor(name, {32, 4}, type).bytes());
  };
  CHECK(has(added("blk.0.attn_q.weight"), "no half of a LoRA"));
  CHECK(has(added("blk.0.x.lora_a.lora_b"), "has a name that is not one"));
  CHECK(has(added("blk.1.attn_q.weight.lora_a", kI32), "cannot be computed with"));
  GgufBuilder foreign = tiny_lora();
  foreign.add_tensor("blk.9.attn_q.weight.lora_a", {32, 4}, kF16);
  foreign.add_tensor("blk.9.attn_q.weight.lora_b", {4, 32}, kF16);
  CHECK(has(lora_refusal(foreign.bytes()), "the model does not have"));
  GgufBuilder empty = tiny_lora();
  empty.tensors.clear();
  CHECK(has(lora_refusal(empty.bytes()), "changes no tensor"));
}

TEST_CASE("damaged copies of adapters are accepted or refused, nothing else") {
  const ScratchFolder folder;
  write_file(folder.file("model.gguf"), tiny_model().bytes());
  const std::string path = folder.file("adapter.gguf");
  int n_refused = 0;
  for (const GgufBuilder &builder : {tiny_lora(), tiny_vector()}) {
    write_file(path, builder.bytes());
    GgufMutator mutator(builder.bytes(), read_gguf_header(path), 20'261'122);
    for (int i = 0; i < 2000; ++i) {
      write_file(path, mutator.next());
      n_refused += said([&] { check_lora(path, folder.file("model.gguf")); }) != "accepted" ? 1 : 0;
      said([&] { read_control_vector(path, 32, 3); });
    }
  }
  CHECK(n_refused > 2000);
}

TEST_CASE("a control vector is read as the numbers of its layers") {
  const ScratchFolder folder;
  GgufBuilder b = tiny_vector();
  write_file(folder.file("vector.gguf"), b.bytes());
  const std::vector<float> all = read_control_vector(folder.file("vector.gguf"), 32, 3);
  REQUIRE(all.size() == 64);
  CHECK(all[0] == all[31]);
  CHECK(all[0] != 0.0F);
  CHECK(all[32] == 0.0F);
}

TEST_CASE("a control vector that does not fit is refused") {
  const auto of = [](const std::string &name, std::vector<std::uint64_t> dims,
                     std::uint32_t type = 0) {
    GgufBuilder b = tiny_vector();
    b.tensors.clear();
    return vector_refusal(b.add_tensor(name, std::move(dims), type).bytes());
  };
  CHECK(vector_refusal(tiny_vector().bytes()) == "accepted");
  for (const char *name : {"direction.0", "direction.3", "direction.-1", "direction.1x",
                           "direction.", "direction.99999999999", "layer.1"}) {
    CHECK(has(of(name, {32}), "is not 'direction.N'"));
  }
  CHECK(has(of("direction.1", {31}), "is not 32 numbers"));
  CHECK(has(of("direction.1", {16, 2}), "is not 32 numbers"));
  CHECK(has(of("direction.1", {32}, kF16), "is not 32 numbers"));
  CHECK(has(vector_refusal(tiny_model().bytes()), "not 'controlvector'"));
  GgufBuilder empty = tiny_vector();
  empty.tensors.clear();
  CHECK(has(vector_refusal(empty.bytes()), "no directions"));
  std::string infinite = tiny_vector().bytes();
  infinite.replace(infinite.size() - 4, 4, u32(0x7f800000U));
  CHECK(has(vector_refusal(infinite), "not finite"));
}
