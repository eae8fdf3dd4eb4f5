// Embeddings and scores on tiny models: what shares a pass changes nothing, every pooling against
// the vectors of the tokens, what a model is for.
#include "llama/load_models.h"
#include "tiny_model.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace llamabox;

namespace {

LlamaParams encoder_params(const std::string &name, Pooling pooling = Pooling::kModel) {
  LlamaParams params = small_params(name);
  params.encoder.embeddings = true;
  params.encoder.pooling = pooling;
  return params;
}

LlamaParams ranker_params(const std::string &name) {
  LlamaParams params = small_params(name);
  params.context.n_ubatch = 256; // all pairs of a test in one pass
  params.encoder.rerank = true;
  return params;
}

// The outputs of texts in one pass.
std::vector<std::vector<float>> encode(Models &models, EncodeKind kind,
                                       const std::vector<std::vector<Token>> &texts) {
  std::vector<EncodePiece> pieces;
  for (const std::vector<Token> &text : texts) {
    pieces.push_back({static_cast<SeqId>(pieces.size()), text, 0, true});
  }
  REQUIRE(models.texts->encode(kind, pieces));
  std::vector<std::vector<float>> outputs;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::span<const float> output = models.texts->output(i);
    outputs.emplace_back(output.begin(), output.end());
  }
  return outputs;
}

std::vector<float> encode_one(Models &models, const std::vector<Token> &text) {
  return encode(models, EncodeKind::kEmbed, {text}).front();
}

std::vector<std::vector<Token>> short_texts(const Models &models) {
  std::vector<std::vector<Token>> texts;
  for (const char *text : {"the quick brown fox", "a", "lazy dogs jump over the small river",
                           "yellow trees in the winter", "42"}) {
    texts.push_back(models.texts->tokens(TextPrompt{text}));
  }
  return texts;
}

double cosine(std::span<const float> a, std::span<const float> b) {
  double ab = 0;
  double aa = 0;
  double bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += double{a[i]} * b[i];
    aa += double{a[i]} * a[i];
    bb += double{b[i]} * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

std::vector<float> row(std::span<const float> rows, std::size_t at, std::size_t n) {
  const std::span<const float> one = rows.subspan(at * n, n);
  return {one.begin(), one.end()};
}

float score(Models &models, const std::string &query, std::optional<std::string> document) {
  const auto tokens = models.texts->tokens(PairPrompt{query, std::move(document)});
  return encode(models, EncodeKind::kRerank, {tokens}).front().front();
}

} // namespace

TEST_CASE("what shares a pass changes no vector") {
  for (const char *name : {"bert", "demo", "gemma3", "mamba", "hybrid"}) {
    CAPTURE(name);
    const auto models = load_models(encoder_params(name));
    const auto texts = short_texts(*models);
    const auto packed = encode(*models, EncodeKind::kEmbed, texts);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const std::vector<float> alone = encode_one(*models, texts[i]);
      CHECK(cosine(packed[i], alone) > 0.9999);
      CHECK(cosine(packed[i], packed[(i + 1) % texts.size()]) < 0.9999);
    }
  }
}

TEST_CASE("a text in pieces gives the vector of the whole") {
  for (const Pooling pooling : {Pooling::kLast, Pooling::kNone}) {
    const auto models = load_models(encoder_params("demo", pooling));
    REQUIRE(models->texts->limits(EncodeKind::kEmbed).can_split);
    const std::vector<Token> text = some_tokens(60);
    const std::vector<float> whole = encode_one(*models, text);
    std::vector<float> last;
    for (const auto &[first, n] : {std::pair{0, 25}, {25, 30}, {55, 5}}) {
      const auto part =
          std::span(text).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(n));
      const std::vector<EncodePiece> pieces = {{3, part, first, first == 55},
                                               {1, part, 0, true}}; // a neighbour comes and goes
      REQUIRE(models->texts->encode(EncodeKind::kEmbed, pieces));
      const std::span<const float> output = models->texts->output(0);
      last.assign(output.begin(), output.end());
    }
    const auto n_values = static_cast<std::size_t>(models->info.n_embd);
    const std::size_t n_rows = last.size() / n_values;
    CHECK(n_rows == (pooling == Pooling::kNone ? 5 : 1));
    const std::size_t n_whole = whole.size() / n_values;
    CHECK(cosine(row(last, n_rows - 1, n_values), row(whole, n_whole - 1, n_values)) > 0.9999);
  }
}

TEST_CASE("every pooling follows from the vectors of the tokens") {
  for (const char *name : {"bert", "demo"}) {
    CAPTURE(name);
    const auto none = load_models(encoder_params(name, Pooling::kNone));
    const auto text = none->texts->tokens(TextPrompt{"the quick brown fox"});
    const std::vector<float> rows = encode_one(*none, text);
    const auto n = static_cast<std::size_t>(none->info.n_embd);
    REQUIRE(rows.size() == text.size() * n);
    std::vector<float> mean(n);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      mean[i % n] += rows[i] / static_cast<float>(text.size());
    }
    const auto pooled = [&](Pooling pooling) {
      return encode_one(*load_models(encoder_params(name, pooling)), text);
    };
    CHECK(cosine(pooled(Pooling::kMean), mean) > 0.9999);
    CHECK(cosine(pooled(Pooling::kCls), row(rows, 0, n)) > 0.9999);
    CHECK(cosine(pooled(Pooling::kLast), row(rows, text.size() - 1, n)) > 0.9999);
  }
}

TEST_CASE("pooling that nobody names is the last token's, or the mean without causal attention") {
  CHECK(load_models(encoder_params("bert"))->info.pooling == "mean");
  CHECK(load_models(encoder_params("demo"))->info.pooling == "last");
  CHECK(load_models(encoder_params("demo", Pooling::kCls))->info.pooling == "cls");
  // A reranker's own pooling gives scores, not vectors.
  CHECK(load_models(encoder_params("ranker"))->info.pooling == "mean");
}

TEST_CASE("attention of embeddings is an option, and the chat's stays") {
  LlamaParams params = encoder_params("demo", Pooling::kMean);
  const auto causal = load_models(params);
  params.encoder.attention = Attention::kNonCausal;
  const auto both_ways = load_models(params);
  CHECK_FALSE(both_ways->texts->limits(EncodeKind::kEmbed).can_split);
  const std::vector<Token> text = some_tokens(20);
  CHECK(cosine(encode_one(*causal, text), encode_one(*both_ways, text)) < 0.9999);
  CHECK(run(*causal, 0, 0, text) == run(*both_ways, 0, 0, text));
}

TEST_CASE("text and embeddings from one model do not disturb each other") {
  const auto plain = load("demo");
  const auto both = load_models(encoder_params("demo"));
  const std::vector<Token> text = some_tokens(20);
  const std::vector<float> before = encode_one(*both, text);
  CHECK(run(*both, 0, 0, text) == run(*plain, 0, 0, text));
  CHECK(both->kv->length(0) == 20);
  CHECK(encode_one(*both, text) == before);
  CHECK(both->info.encoder_bytes > 0);
  CHECK(plain->info.encoder_bytes == 0);
  CHECK_FALSE(plain->texts);
}

TEST_CASE("a context that is made for the first text gives the same, whatever was set before") {
  LlamaParams params = encoder_params("demo", Pooling::kMean);
  const AdapterFile lora{std::string(LLAMABOX_SOURCE_DIR) + "/tests/models/lora-a.gguf", 1.0F};
  params.adapters.loras = {lora};
  const std::vector<LoraScale> scales = {{0, 2.0F}};
  const std::vector<Token> text = some_tokens(20);
  const auto at_start = load_models(params);
  const std::vector<float> plain = encode_one(*at_start, text);
  at_start->texts->set_loras(scales);
  const std::vector<float> expected = encode_one(*at_start, text);
  CHECK(cosine(plain, expected) < 0.9999);

  params.encoder.defer_embeddings = true;
  const auto deferred = load_models(params);
  CHECK(deferred->info.encoder_bytes == 0);
  CHECK(deferred->texts->limits(EncodeKind::kEmbed).n_ctx ==
        at_start->texts->limits(EncodeKind::kEmbed).n_ctx);
  deferred->texts->set_loras(scales);
  CHECK(run(*deferred, 0, 0, text) == run(*at_start, 0, 0, text));
  std::uint64_t n_made = 0;
  std::thread([&] { n_made = deferred->texts->prepare(EncodeKind::kEmbed); }).join();
  CHECK(n_made > 0);
  CHECK(deferred->texts->prepare(EncodeKind::kEmbed) == 0);
  CHECK(encode_one(*deferred, text) == expected);
}

TEST_CASE("what each model is for") {
  const auto bert = load("bert");
  CHECK_FALSE(bert->info.generates);
  CHECK_FALSE(bert->texts);
  CHECK_FALSE(bert->info.has_rank_head);
  CHECK(load("demo")->info.generates);
  const auto ranker = load_models(ranker_params("ranker"));
  CHECK(ranker->info.has_rank_head);
  CHECK(ranker->texts->supports(EncodeKind::kRerank));
  const auto causal = load_models(ranker_params("causal-ranker"));
  CHECK_FALSE(causal->info.generates);
  CHECK(causal->texts->supports(EncodeKind::kRerank));
  // Only the option makes it a ranker.
  CHECK(load("causal-ranker")->info.generates);
  const auto chat = load_models(ranker_params("demo"));
  CHECK_FALSE(chat->info.generates);
  CHECK_FALSE(chat->texts->supports(EncodeKind::kRerank));
}

TEST_CASE("a text is as long as the model has positions") {
  LlamaParams params = encoder_params("bert");
  params.context.n_ctx = 4096;
  const auto models = load_models(params);
  const EncodeLimits limits = models->texts->limits(EncodeKind::kEmbed);
  CHECK(limits.n_ctx == 128);
  CHECK_FALSE(limits.can_split);
  CHECK(encode_one(*models, std::vector<Token>(128, 20)).size() == 32);
  CHECK(models->runner->limits().n_ctx == 128);
}

TEST_CASE("texts become tokens with what the vocabulary puts around them") {
  const auto models = load_models(encoder_params("bert"));
  const auto tokens = models->texts->tokens(TextPrompt{"the fox"});
  REQUIRE(tokens.size() == 4);
  CHECK(tokens.front() == 2);
  CHECK(tokens.back() == 3);
  CHECK(models->texts->tokens(TextPrompt{""}) == std::vector<Token>{2, 3});
  CHECK(models->texts->tokens(TokenPrompt{{7, 8}}) == std::vector<Token>{7, 8});
  const Error error = error_of([&] { (void)models->texts->tokens(TokenPrompt{{1 << 20}}); });
  CHECK(error.code() == ErrorCode::kInvalidArgument);
  CHECK(error.param() == "text");
}

TEST_CASE("a pair becomes what the model was trained with") {
  const auto bert = load_models(ranker_params("ranker"));
  const auto fox = bert->texts->tokens(TextPrompt{"fox"})[1];
  const auto dog = bert->texts->tokens(TextPrompt{"dog"})[1];
  CHECK(bert->texts->tokens(PairPrompt{"fox", "dog"}) == std::vector<Token>{2, fox, 3, dog, 3});
  CHECK(bert->texts->tokens(PairPrompt{"fox", std::nullopt}) ==
        std::vector<Token>{2, fox, 3, 1, 3});

  const auto causal = load_models(ranker_params("causal-ranker"));
  const auto of_pair = causal->texts->tokens(PairPrompt{"{document}", "d"});
  CHECK(of_pair == causal->vocab->tokenize("Query: {document}\nDocument: d\nRelevant: ",
                                           {.add_special = false, .parse_special = true}));
}

TEST_CASE("scores do not depend on what shares the pass; those of labels are probabilities") {
  for (const char *name : {"ranker", "causal-ranker"}) {
    CAPTURE(name);
    const auto models = load_models(ranker_params(name));
    std::vector<std::vector<Token>> texts;
    for (const char *document : {"green tea", "the dog", "a long yellow boat on the river"}) {
      texts.push_back(models->texts->tokens(PairPrompt{"green boat", document}));
    }
    const auto packed = encode(*models, EncodeKind::kRerank, texts);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const float alone = encode(*models, EncodeKind::kRerank, {texts[i]}).front().front();
      CHECK(packed[i].size() == 1);
      CHECK(packed[i].front() == doctest::Approx(alone).epsilon(1e-3));
      if (std::string(name) == "causal-ranker") {
        CHECK(alone > 0);
        CHECK(alone < 1);
      }
    }
  }
}

TEST_CASE("the built ranker prefers documents that have the query's words") {
  const auto models = load_models(ranker_params("ranker"));
  const std::string query = "green tea";
  const float itself = score(*models, query, query);
  const float both = score(*models, query, "food and green tea");
  const float one = score(*models, query, "food and black tea");
  const float none = score(*models, query, "a dog on that road");
  const float unknown = score(*models, query, std::nullopt);
  CHECK(itself > both);
  CHECK(both > one);
  CHECK(one > none);
  CHECK(unknown <= none + 0.2F);
}
