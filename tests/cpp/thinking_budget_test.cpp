#include "engine/thinking_budget.h"
#include "rig.h"
#include "speaker.h"

#include <doctest/doctest.h>

using namespace llamabox;

namespace {

ThinkingMarks marks(bool is_open = false) {
  return {"<t>", {"</t>", "<call>"}, {'<', '/', 't', '>'}, is_open};
}

// What comes out of `n` tokens of a model that wants to say `text`.
std::string said(const std::string &text, std::int32_t n_budget, bool is_open, std::size_t n) {
  Rig rig;
  BudgetedSampler sampler(std::make_unique<Speaker>(text),
                          ThinkingBlock(*rig.models().vocab, marks(is_open)), n_budget);
  std::string out;
  for (std::size_t i = 0; i < n; ++i) {
    const Token token = sampler.sample({});
    sampler.accept(token);
    out += static_cast<char>(token);
  }
  return out;
}

} // namespace

TEST_CASE("a block is ended after exactly its budget, and the answer goes on") {
  const std::string text = "<t>0123456789abcdef";
  CHECK(said(text, 5, false, 14) == "<t>01234</t>56");
  CHECK(said(text, 1, false, 10) == "<t>0</t>12");
  CHECK(said(text, 0, false, 9) == "<t></t>01");
}

TEST_CASE("a block that the prompt began counts from the first token") {
  CHECK(said("0123456789", 3, true, 9) == "012</t>34");
  CHECK(said("0123456789", 0, true, 6) == "</t>01");
}

TEST_CASE("a block that ends in time is left alone, by whichever mark") {
  CHECK(said("<t>012</t>answer", 50, false, 16) == "<t>012</t>answer");
  CHECK(said("<t>012<call>answer", 9, false, 18) == "<t>012<call>answer");
}

TEST_CASE("only a block at the beginning counts") {
  CHECK(said("well <t>0123456789", 2, false, 18) == "well <t>0123456789");
  CHECK(said(" \n<t>0123456789", 2, false, 13) == " \n<t>01</t>23");
  CHECK(said("<tt>0123456789", 2, false, 14) == "<tt>0123456789");
}

TEST_CASE("a second block is part of the answer") {
  CHECK(said("<t>01</t><t>0123456789", 9, false, 22) == "<t>01</t><t>0123456789");
}

TEST_CASE("a character is not cut") {
  CHECK(said("<t>0\xe2\x82\xac"
             "1234",
             2, false, 12) == "<t>0\xe2\x82\xac</t>1");
}

TEST_CASE("the request's budget reaches the sampler, also under a grammar of its own") {
  Models models = std::move(*load_fake_models({}));
  class Thinking final : public PromptEncoder {
  public:
    EncodedPrompt encode(const PromptInput & /*input*/) const override {
      EncodedPrompt encoded;
      encoded.prompt.tokens = {'a'};
      encoded.thinking = marks(true);
      encoded.thinking.may_precede = may_precede;
      return encoded;
    }
    bool may_precede = true;
  };
  auto encoder = std::make_unique<Thinking>();
  Thinking &thinking = *encoder;
  models.encoder = std::move(encoder);
  // The first token, or the first behind the end mark.
  const auto first_token = [&](std::int32_t n_budget, const std::string &grammar, bool behind) {
    Request request = Rig::generate_request("x", 4);
    auto &body = std::get<GenerateRequest>(request.body);
    body.thinking_budget = n_budget;
    body.sampling.grammar.text = grammar;
    RequestRegistry registry(4);
    Arrival arrival = prepare({registry.accept(), std::move(request), 0}, models);
    REQUIRE_FALSE(arrival.error.has_value());
    std::vector<float> logits(kFakeVocab, 0.0F);
    logits['z'] = 1;
    Sampler &sampler = *arrival.samplers.at(0);
    for (const char c : std::string(behind ? "</t>" : "")) {
      sampler.accept(static_cast<unsigned char>(c));
    }
    return sampler.sample(logits);
  };
  CHECK(first_token(0, "", false) == '<');
  CHECK(first_token(-1, "", false) == 'z');
  CHECK(first_token(0, "xyz", false) == '<');
  CHECK(first_token(-1, "xy", false) == 'z'); // a thought is free
  CHECK(first_token(-1, "xyz", true) == 'z');
  CHECK_THROWS_AS(first_token(-1, "xy", true), Error);
  thinking.may_precede = false; // an answer would need more than the end mark before it
  CHECK(first_token(0, "xyz", false) == 'z');
  CHECK_THROWS_AS(first_token(0, "xy", false), Error);
}
