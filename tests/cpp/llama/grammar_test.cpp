// Grammars on the demo model: what is chosen always follows them, whatever the seed.
#include "draws.h"

#include "llama/grammar_trigger.h"

#include <limits>
#include <random>
#include <regex>
#include <set>
#include <string>

using namespace llamabox;

namespace {

SamplingParams with_grammar(const std::string &text, std::uint32_t seed = 1) {
  SamplingParams params;
  params.seed = seed;
  params.temperature = 1.0F;
  params.grammar.text = text;
  params.grammar.text_only = true;
  return params;
}

SamplingParams with_schema(const std::string &schema, std::uint32_t seed = 1) {
  SamplingParams params = with_grammar("", seed);
  params.json_schema = schema;
  return params;
}

// The text that logits of no meaning give under the parameters, up to an end token.
struct Written {
  std::string text;
  bool ended = false;
};

Written write(const Models &models, const SamplingParams &params, std::size_t n_max = 400) {
  const auto sampler = models.samplers->make(params, {});
  std::mt19937 random(params.seed.value_or(0) * 7919 + 1);
  std::normal_distribution<float> logit(0, 3);
  std::vector<float> logits(static_cast<std::size_t>(models.info.n_vocab));
  Written out;
  for (std::size_t i = 0; i < n_max && !out.ended; ++i) {
    for (float &value : logits) {
      value = logit(random);
    }
    const Token token = sampler->sample(logits);
    sampler->accept(token);
    out.ended = models.vocab->is_end_of_generation(token);
    out.text += models.vocab->piece(token, false);
  }
  return out;
}

Error refused(const Models &models, const SamplingParams &params) {
  const Error error = error_of([&] { models.samplers->make(params, {}); });
  CHECK(error.code() == ErrorCode::kInvalidArgument);
  return error;
}

} // namespace

TEST_CASE("the output is one of the grammar's texts, and then it ends") {
  const auto models = load("demo");
  std::set<std::string> texts;
  for (std::uint32_t seed = 0; seed < 40; ++seed) {
    const Written written =
        write(*models, with_grammar("root ::= \"yes\" | \"no\" | \"perhaps \" [0-9]", seed));
    CHECK(written.ended);
    texts.insert(written.text.substr(0, 8));
  }
  CHECK(texts == std::set<std::string>{"yes", "no", "perhaps "});
  SamplingParams greedy = with_grammar("root ::= \"yes\"");
  greedy.temperature = 0;
  CHECK(write(*models, greedy).text == "yes");
}

TEST_CASE("multi-byte characters cross tokens") {
  const auto models = load("demo");
  const Written written = write(*models, with_grammar("root ::= \"naïve é 漢字\""));
  CHECK(written.text == "naïve é 漢字");
  CHECK(written.ended);
}

TEST_CASE("a complete text ends where end tokens are banned too") {
  const auto models = load("demo");
  SamplingParams params = with_grammar("root ::= \"yes\"");
  params.ignore_eos = true;
  const Written written = write(*models, params);
  CHECK(written.text == "yes");
  CHECK(written.ended);
}

TEST_CASE("a ban of all that the grammar wants is an error, never a way out") {
  const auto models = load("demo");
  SamplingParams params = with_grammar("root ::= \"yes\"");
  params.logit_bias = {{kNoToken, "y", -std::numeric_limits<float>::infinity()},
                       {kNoToken, "yes", -std::numeric_limits<float>::infinity()},
                       {kNoToken, "ye", -std::numeric_limits<float>::infinity()}};
  const auto sampler = models->samplers->make(params, {});
  const std::vector<float> logits(static_cast<std::size_t>(models->info.n_vocab), 0.0F);
  CHECK(error_of([&] { sampler->sample(logits); }).param() == "grammar");
}

TEST_CASE("the prompt is no part of what the grammar follows") {
  const auto models = load("demo");
  const auto sampler = models->samplers->make(with_grammar("root ::= \"yes\""), some_tokens(10));
  const std::vector<float> logits(static_cast<std::size_t>(models->info.n_vocab), 0.0F);
  const Token token = sampler->sample(logits);
  CHECK(std::string("yes").starts_with(models->vocab->piece(token, false)));
}

TEST_CASE("without a grammar nothing changes") {
  const auto models = load("demo");
  SamplingParams params = with_grammar("root ::= [^\\x00]*", 5);
  const std::vector<float> logits = run(*models, 0, 0, some_tokens(10));
  SamplingParams free = params;
  free.grammar = {};
  const auto is_end = [&](Token t) { return models->vocab->is_end_of_generation(t); };
  std::vector<Token> expected = draw(*models, free, logits, 16);
  expected.erase(std::find_if(expected.begin(), expected.end(), is_end), expected.end());
  const std::vector<Token> found = draw(*models, params, logits, static_cast<int>(expected.size()));
  CHECK(found == expected);
}

TEST_CASE("a schema's output has its shape") {
  const auto models = load("demo");
  const std::string schema = R"({"type": "object", "properties": {"n": {"type": "integer",
      "minimum": 1, "maximum": 9}, "kind": {"enum": ["a", "b"]}}, "required": ["n", "kind"],
      "additionalProperties": false})";
  const std::regex shape(R"(\{\s*"n"\s*:\s*[1-9]\s*,\s*"kind"\s*:\s*"[ab]"\s*\})");
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    const Written written = write(*models, with_schema(schema, seed));
    CAPTURE(written.text);
    CHECK(written.ended);
    CHECK(std::regex_match(written.text, shape));
  }
}

TEST_CASE("schemas that cannot be honoured in full are refused") {
  const auto models = load("demo");
  const auto reason = [&](const std::string &schema) {
    const Error error = refused(*models, with_schema(schema));
    CHECK(error.param() == "json_schema");
    return std::string(error.what());
  };
  CHECK(contains(reason("{"), "refused"));
  CHECK(contains(reason("[1]"), "object"));
  CHECK(contains(reason(R"({"type": "strin"})"), "strin"));
  CHECK(contains(reason(R"({"$ref": "http://127.0.0.1:1/x"})"), "ref"));
  CHECK(contains(reason(R"({"type": "string", "pattern": "^[a"})"), "pattern"));
  CHECK(contains(reason(R"({"type": "string", "pattern": "abc"})"), "enforced"));
  CHECK(contains(reason(R"({"properties": {"a": {"type": "string", "pattern": "^(?=x)$"}}})"),
                 "enforced"));
  CHECK(contains(reason(R"({"type": "string", "maxLength": 100000})"), "more than 2000"));
  SamplingParams both = with_schema("{}");
  both.grammar.text = "root ::= \"x\"";
  CHECK(refused(*models, both).param() == "json_schema");
}

TEST_CASE("bad grammars are refused with the reason, hostile ones quickly") {
  const auto models = load("demo");
  CHECK(contains(refused(*models, with_grammar("root ::= \"x")).what(), "closing"));
  CHECK(contains(refused(*models, with_grammar("root ::= <no such token>")).what(), "one token"));
  refused(*models, with_grammar("root ::= " + std::string(60000, '(')));
  refused(*models, with_grammar("root ::= ((((\"a\"{0,99}){0,99}){0,99}){0,99}){0,99}"));
  refused(*models, with_grammar("root ::= \"a\"{7,3}"));
}

TEST_CASE("a grammar that can be read in ever more ways ends its request, not the process") {
  const auto models = load("demo");
  const SamplingParams params =
      with_grammar("root ::= \"x\" root \"y\" | \"x\" root \"z\" | \"w\"");
  const auto sampler = models->samplers->make(params, {});
  std::vector<float> logits(static_cast<std::size_t>(models->info.n_vocab), -50.0F);
  const std::vector<Token> x = models->vocab->tokenize("x", {false, false});
  REQUIRE(x.size() == 1);
  logits[static_cast<std::size_t>(x[0])] = 0.0F;
  const Error error = error_of([&] {
    for (int i = 0; i < 64; ++i) {
      sampler->accept(sampler->sample(logits));
    }
  });
  CHECK(error.code() == ErrorCode::kInvalidArgument);
  CHECK(contains(error.what(), "ambiguous"));
}

TEST_CASE("a lazy grammar waits for each kind of trigger") {
  const auto models = load("demo");
  const auto follow = [&](GrammarTrigger trigger, const std::string &before) {
    SamplingParams params = with_grammar("root ::= \"<go>yes\"");
    params.grammar.lazy = true;
    params.grammar.triggers = {std::move(trigger)};
    const auto sampler = models->samplers->make(params, {});
    for (const Token token : models->vocab->tokenize(before, {false, false})) {
      sampler->accept(token);
    }
    std::vector<float> logits(static_cast<std::size_t>(models->info.n_vocab), 0.0F);
    std::string text;
    for (int i = 0; i < 8; ++i) {
      const Token token = sampler->sample(logits);
      if (models->vocab->is_end_of_generation(token)) {
        break;
      }
      sampler->accept(token);
      text += models->vocab->piece(token, false);
    }
    return text;
  };
  using Kind = GrammarTrigger::Kind;
  CHECK(follow({Kind::kWord, "<go>", kNoToken}, "some words <go>") == "yes");
  CHECK(follow({Kind::kWord, "<go>", kNoToken}, "some words <stay>") != "yes");
  CHECK(follow({Kind::kPattern, "words (<go>)", kNoToken}, "some words <go>") == "yes");
  CHECK(follow({Kind::kPatternFull, "[a-z ]*(<go>)", kNoToken}, "some words <go>") == "yes");
  CHECK(follow({Kind::kPatternFull, "words (<go>)", kNoToken}, "some words <go>") != "yes");
  // The trigger's own text goes on as the grammar does not: it was no beginning of it.
  CHECK(follow({Kind::kWord, "<stay>", kNoToken}, "some words <stay>") != "yes");
}

TEST_CASE("a trigger token begins the constrained text itself") {
  GrammarTriggers triggers({{GrammarTrigger::Kind::kToken, "", 7}});
  CHECK(!triggers.feed(6, "a"));
  const auto hit = triggers.feed(7, "<call>");
  REQUIRE(hit);
  CHECK(*hit == TriggerHit{{7, "<call>"}});
}

TEST_CASE("a trigger is found across tokens and after long texts") {
  GrammarTriggers triggers({{GrammarTrigger::Kind::kWord, "<call>", kNoToken}});
  for (int i = 0; i < 5000; ++i) {
    REQUIRE(!triggers.feed(1, "plain "));
  }
  CHECK(!triggers.feed(2, "and <ca"));
  const auto hit = triggers.feed(3, "ll>{");
  REQUIRE(hit);
  CHECK(*hit == TriggerHit{{2, "<ca"}, {3, "ll>{"}});
  CHECK(error_of([] {
          GrammarTriggers({{GrammarTrigger::Kind::kPattern, "(", kNoToken}});
        }).code() == ErrorCode::kInvalidArgument);
}

TEST_CASE("a pattern is found across tokens and after long texts, and where it says") {
  using Kind = GrammarTrigger::Kind;
  GrammarTriggers triggers(
      {{Kind::kPattern, "<call>\\s*(\\{)", kNoToken}, {Kind::kPattern, "^plain <", kNoToken}});
  for (int i = 0; i < 5000; ++i) {
    REQUIRE(!triggers.feed(1, "plain "));
  }
  CHECK(!triggers.feed(2, "<call>")); // what begins a line of the output no longer can
  const auto hit = triggers.feed(3, " {\"");
  REQUIRE(hit);
  CHECK(*hit == TriggerHit{{3, "{\""}});

  GrammarTriggers fresh({{Kind::kPattern, "^plain <", kNoToken}});
  CHECK(!fresh.feed(1, "plain "));
  CHECK(fresh.feed(2, "<"));
}
