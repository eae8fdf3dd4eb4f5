// The rules for the tokenizer of a text model, one case each.
#include "gguf_refusal.h"
#include "guard/gguf_model_rules.h"

#include <doctest/doctest.h>

using namespace llamabox;
using namespace llamabox::testing;

namespace {

const std::string kTokens = "tokenizer.ggml.tokens";
const std::string kTypes = "tokenizer.ggml.token_type";
const std::string kScores = "tokenizer.ggml.scores";

GgufBuilder with_tokens(const std::vector<std::string> &tokens, std::uint32_t type = 1) {
  return tiny_model()
      .set_strings(kTokens, tokens)
      .set_words(kTypes, GgufValueType::kInt32, std::vector<std::uint32_t>(tokens.size(), type));
}

} // namespace

TEST_CASE("the tokenizer must be there and known") {
  CHECK_REFUSED(tiny_model().erase("tokenizer.ggml.model"), "'tokenizer.ggml.model' is missing");
  CHECK_REFUSED(tiny_model().set_string("tokenizer.ggml.model", "none"), "it has no tokenizer");
  CHECK_REFUSED(tiny_model().set_string("tokenizer.ggml.model", "no_vocab"), "has no tokenizer");
  CHECK_REFUSED(tiny_model().set_string("tokenizer.ggml.model", "test"), "unknown tokenizer");
  CHECK_REFUSED(tiny_model().erase("tokenizer.ggml.merges"), "'tokenizer.ggml.merges' is missing");
  CHECK_REFUSED(tiny_model().set_string("tokenizer.ggml.merges", "a b"), "array of strings");
}

TEST_CASE("the list of tokens must be an array of strings of a sensible size") {
  CHECK_REFUSED(tiny_model().erase(kTokens), "must be an array of strings");
  CHECK_REFUSED(tiny_model().set_string(kTokens, "t"), "must be an array of strings");
  CHECK_REFUSED(tiny_model().set_words(kTokens, GgufValueType::kUint32, {1}),
                "must be an array of strings");
  CHECK_REFUSED(tiny_model().set_strings(kTokens, {}), "has 0 entries");
}

TEST_CASE("a vocabulary above the limit is refused") {
  // 2^22 + 1 empty strings: 32 MiB of zeros that the check never holds in memory.
  const std::string list = u32(static_cast<std::uint32_t>(GgufValueType::kString)) +
                           u64(kMaxVocabSize + 1) + std::string((kMaxVocabSize + 1) * 8, '\0');
  CHECK_REFUSED(
      tiny_model().set_raw(kTokens, static_cast<std::uint32_t>(GgufValueType::kArray), list),
      "has 4194305 entries");
}

TEST_CASE("scores and types must be numbers, one per token") {
  const std::vector<std::uint32_t> fifteen(15, 1);
  const std::vector<std::uint32_t> sixteen(16, 1);
  CHECK_REFUSED(tiny_model().set_words(kTypes, GgufValueType::kInt32, fifteen),
                "has 15 entries for 16 tokens");
  CHECK_REFUSED(tiny_model().set_words(kTypes, GgufValueType::kFloat32, sixteen),
                "must be an array of numbers");
  CHECK_REFUSED(tiny_model().set_words(kScores, GgufValueType::kFloat32, fifteen),
                "has 15 entries for 16 tokens");
  CHECK_REFUSED(tiny_model().set_string(kScores, "1"), "must be an array of numbers");
  CHECK(refusal_of(tiny_model().set_words(kScores, GgufValueType::kFloat32, sixteen)) ==
        "accepted");
  CHECK(refusal_of(tiny_model().erase(kTypes)) == "accepted");
}

TEST_CASE("tokens must differ as the loader reads them") {
  std::vector<std::string> tokens;
  for (int i = 0; i < 16; ++i) {
    tokens.push_back("t" + std::to_string(i));
  }
  tokens[7] = "t3";
  CHECK_REFUSED(with_tokens(tokens), "the token 't3' twice, the second time at 7");
  tokens[7] = std::string("t3\0x", 4);
  CHECK_REFUSED(with_tokens(tokens), "the token 't3' twice");
  tokens[7] = "";
  tokens[8] = "[EMPTY_7]";
  CHECK_REFUSED(with_tokens(tokens), "the token '[EMPTY_7]' twice");
  tokens[8] = "";
  CHECK(refusal_of(with_tokens(tokens)) == "accepted");
}

TEST_CASE("byte tokens must be written <0xHH>") {
  std::vector<std::string> tokens;
  for (int i = 0; i < 16; ++i) {
    tokens.push_back(std::string("<0x0") + "0123456789ABCDEF"[i] + ">");
  }
  CHECK(refusal_of(with_tokens(tokens, 6)) == "accepted");
  for (const char *bad : {"<0x-1>", "<0x", "", "<0xZZ>", "<0x123>"}) {
    tokens[5] = bad;
    CHECK_REFUSED(with_tokens(tokens, 6), "has at 5 the byte token");
  }
}

TEST_CASE("special ids must be tokens, except padding") {
  for (const char *name : {"bos", "eos", "eot", "eom", "unknown", "seperator", "mask", "fim_pre"}) {
    const std::string key = std::string("tokenizer.ggml.") + name + "_token_id";
    CHECK_REFUSED(tiny_model().set_u32(key, 16), "'" + key + "' is 16, but there are only 16");
    CHECK(refusal_of(tiny_model().set_u32(key, 15)) == "accepted");
  }
  CHECK_REFUSED(tiny_model().set_i32("tokenizer.ggml.eos_token_id", 1), "must be of type u32");
  CHECK(refusal_of(tiny_model().set_u32("tokenizer.ggml.padding_token_id", 0xffff'ffffU)) ==
        "accepted");
}

TEST_CASE("a token that is added to every text must exist") {
  GgufBuilder few = with_tokens({"a", "b", "c"});
  CHECK(refusal_of(few) == "accepted");
  few.erase("tokenizer.ggml.bos_token_id");
  CHECK_REFUSED(few, "'tokenizer.ggml.bos_token_id' does not name one");
  few.set_bool("tokenizer.ggml.add_bos_token", false);
  CHECK(refusal_of(few) == "accepted");
  few.erase("tokenizer.ggml.eos_token_id");
  CHECK(refusal_of(few) == "accepted");
  few.set_bool("tokenizer.ggml.add_eos_token", true);
  CHECK_REFUSED(few, "'tokenizer.ggml.eos_token_id' does not name one");
  few.set_u32("tokenizer.ggml.add_eos_token", 1);
  CHECK_REFUSED(few, "must be of type bool");
}
