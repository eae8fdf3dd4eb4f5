// Grammars as we follow them against llama.cpp's own matcher: the same tokens may come next, and
// a draw is the one that would be made if the other tokens did not exist.
#include "draws.h"

#include "engine/output.h"
#include "llama/grammar_compiler.h"
#include "llama/grammar_source.h"
#include "llama/sampler.h"

#include "llama.h"

#include <limits>
#include <random>
#include <string>
#include <vector>

using namespace llamabox;

namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

struct FreeModel {
  void operator()(llama_model *model) const { llama_model_free(model); }
};

struct Vocabulary {
  Vocabulary() {
    llama_model_params params = llama_model_default_params();
    params.vocab_only = true;
    model.reset(llama_model_load_from_file(model_path("demo").c_str(), params));
    vocab = llama_model_get_vocab(model.get());
    n = llama_vocab_n_tokens(vocab);
  }
  std::unique_ptr<llama_model, FreeModel> model;
  std::string piece(Token token) const {
    std::string text(64, '\0');
    const auto room = static_cast<std::int32_t>(text.size());
    text.resize(
        static_cast<std::size_t>(llama_token_to_piece(vocab, token, text.data(), room, 0, true)));
    return text;
  }
  // We follow well-formed UTF-8 only, llama.cpp also other bytes.
  bool is_whole(Token token) const {
    const std::string text = piece(token);
    return valid_utf8(text) == text;
  }

  const llama_vocab *vocab = nullptr;
  std::int32_t n = 0;
};

const std::vector<std::string> &grammars() {
  const auto schema = [](const char *text) {
    SamplingParams params;
    params.json_schema = text;
    return GrammarSource().of(params).text;
  };
  static const std::vector<std::string> all = {
      R"(root ::= ("yes" | "no" | [a-z]+ " " [0-9]{1,3})*)",
      R"(root ::= item+
item ::= "- " [^\n"\\]{1,20} "\n")",
      "root ::= (\"é\" | \"漢字\" | [а-я])+ .?",
      schema(R"({"type": "array", "minItems": 3, "items": {"type": "object", "properties": {
          "name": {"type": "string", "maxLength": 20}, "age": {"type": "integer"},
          "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3}},
          "required": ["name", "age"]}})"),
      schema(R"({"type": "object"})"),
  };
  return all;
}

std::vector<float> random_row(std::mt19937 &random, const Vocabulary &vocabulary) {
  std::normal_distribution<float> logit(0, 2);
  std::vector<float> row;
  for (Token token = 0; token < vocabulary.n; ++token) {
    const float drawn = logit(random);
    row.push_back(vocabulary.is_whole(token) ? drawn : kMinusInfinity);
  }
  return row;
}

// The row with minus infinity for every token that llama.cpp refuses.
std::vector<float> masked(const std::vector<float> &row, llama_sampler *grammar) {
  std::vector<llama_token_data> candidates(row.size());
  for (std::size_t i = 0; i < row.size(); ++i) {
    candidates[i] = {static_cast<llama_token>(i), row[i], 0.0F};
  }
  llama_token_data_array array = {candidates.data(), candidates.size(), -1, false};
  llama_sampler_apply(grammar, &array);
  std::vector<float> out(row.size());
  for (std::size_t i = 0; i < row.size(); ++i) {
    out[static_cast<std::size_t>(array.data[i].id)] = array.data[i].logit;
  }
  return out;
}

UpstreamSampler upstream_grammar(const Vocabulary &vocabulary, const std::string &text) {
  return UpstreamSampler(llama_sampler_init_grammar(vocabulary.vocab, text.c_str(), "root"));
}

std::vector<SamplingParams> ways_to_draw() {
  SamplingParams greedy;
  greedy.temperature = 0;
  SamplingParams usual;
  usual.temperature = 1.5F;
  SamplingParams all = plain();
  SamplingParams cut = plain();
  cut.top_p = 0.5F;
  cut.typical_p = 0.9F;
  SamplingParams edited = usual;
  edited.presence_penalty = 1.0F;
  edited.repeat_penalty = 1.3F;
  edited.logit_bias = {{300, "", 4.0F}, {301, "", kMinusInfinity}, {302, "", -1.0F}};
  SamplingParams narrow = usual;
  narrow.top_k = 2;
  return {greedy, usual, all, cut, edited, narrow};
}

} // namespace

TEST_CASE("the tokens that may come next are those of llama.cpp's own matcher") {
  const Vocabulary vocabulary;
  GrammarCompiler compiler(vocabulary.vocab);
  std::mt19937 random(11);
  for (const std::string &text : grammars()) {
    CAPTURE(text);
    Grammar grammar;
    grammar.text = text;
    const auto compiled = compiler.compile(grammar);
    CHECK(compiler.compile(grammar) == compiled);
    const UpstreamSampler upstream = upstream_grammar(vocabulary, text);
    CompiledGrammar::Cursor cursor = compiled->start();
    const std::vector<float> flat(static_cast<std::size_t>(vocabulary.n), 0.0F);
    for (int i = 0; i < 120; ++i) {
      const std::vector<float> allowed = masked(flat, upstream.get());
      const auto mask = compiled->mask(cursor);
      std::vector<Token> next;
      std::vector<Token> differing;
      for (Token token = 0; token < vocabulary.n; ++token) {
        const bool is_allowed = allowed[static_cast<std::size_t>(token)] == 0.0F;
        const bool is_here = mask->test(token);
        if (is_allowed != is_here && (is_here || vocabulary.is_whole(token))) {
          differing.push_back(token);
        }
        if (is_here && !llama_vocab_is_eog(vocabulary.vocab, token)) {
          next.push_back(token);
        }
      }
      REQUIRE(differing == std::vector<Token>{});
      if (next.empty()) {
        break;
      }
      const Token token = next[random() % next.size()];
      llama_sampler_accept(upstream.get(), token);
      REQUIRE(compiled->accept(cursor, token, vocabulary.piece(token)));
    }
  }
}

TEST_CASE("a draw under a grammar is the draw among the tokens that it allows, for every seed") {
  const Vocabulary vocabulary;
  const LlamaSamplerFactory factory(vocabulary.vocab, 512);
  std::mt19937 random(12);
  for (const std::string &text : grammars()) {
    CAPTURE(text);
    const auto is_ascii = [](char byte) { return static_cast<unsigned char>(byte) < 0x80; };
    if (!std::ranges::all_of(text, is_ascii)) {
      continue; // no whole token of this vocabulary writes the others
    }
    for (SamplingParams params : ways_to_draw()) {
      params.seed = random();
      SamplingParams bound = params;
      bound.grammar.text = text;
      const auto sampler = factory.make(bound, {});
      const auto free = factory.make(params, {});
      const UpstreamSampler upstream = upstream_grammar(vocabulary, text);
      for (int i = 0; i < 60; ++i) {
        const std::vector<float> row = random_row(random, vocabulary);
        const Token token = sampler->sample(row);
        REQUIRE(token == free->sample(masked(row, upstream.get())));
        if (llama_vocab_is_eog(vocabulary.vocab, token)) {
          break;
        }
        for (Sampler *one : {sampler.get(), free.get()}) {
          one->accept(token);
        }
        llama_sampler_accept(upstream.get(), token);
      }
    }
  }
}

TEST_CASE("draws under a grammar follow the distribution of what it allows") {
  const auto models = load("demo");
  std::vector<float> row(static_cast<std::size_t>(models->info.n_vocab), -1e9F);
  const auto token_of = [&](const char *text) {
    const std::vector<Token> tokens = models->vocab->tokenize(text, {false, false});
    REQUIRE(tokens.size() == 1);
    return static_cast<std::size_t>(tokens.front());
  };
  // A third of the mass is refused; of the rest 3 parts are to 1.
  row[token_of("a")] = std::log(0.5F);
  row[token_of("b")] = std::log(0.5F / 3);
  row[token_of("c")] = std::log(1.0F / 3);
  SamplingParams params = plain();
  params.grammar.text = "root ::= \"a\" | \"b\"";
  for (const std::int32_t top_k : {0, 2, 40}) {
    params.top_k = top_k;
    const auto sampler = models->samplers->make(params, {});
    std::map<Token, int> drawn;
    for (int i = 0; i < 4000; ++i) {
      ++drawn[sampler->sample(row)];
    }
    CHECK(drawn.size() == 2);
    CHECK(drawn[static_cast<Token>(token_of("a"))] == doctest::Approx(3000).epsilon(0.05));
  }
}
