#include "fake_models.h"

#include "base/error.h"
#include "fake_drafter.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <random>
#include <thread>
#include <utility>

namespace llamabox {
namespace {

class FakeVocab final : public Vocab {
public:
  std::int32_t n_tokens() const override { return kFakeVocab; }
  bool is_end_of_generation(Token token) const override { return token == kFakeEnd; }

  std::string piece(Token token, bool render_special) const override {
    if (token == kFakeEnd) {
      return render_special ? "<end>" : "";
    }
    return token < 256 ? std::string(1, static_cast<char>(token)) : "?";
  }

  std::vector<Token> tokenize(std::string_view text, TokenizeOptions options) const override {
    std::vector<Token> tokens;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (options.parse_special && text.substr(i).starts_with("<end>")) {
        tokens.push_back(kFakeEnd);
        i += 4;
      } else {
        tokens.push_back(static_cast<unsigned char>(text[i]));
      }
    }
    return tokens;
  }
};

class FakeSampler final : public Sampler {
public:
  explicit FakeSampler(SamplingParams params) : params_(params), random_(params.seed.value_or(0)) {}

  Token sample(std::span<const float> logits) override {
    const auto best = std::ranges::max_element(logits) - logits.begin();
    // The fake's grammar is the bytes that may come.
    const std::string &allowed = params_.grammar.text;
    if (!allowed.empty() && allowed.find(static_cast<char>(best)) == std::string::npos) {
      throw Error(ErrorCode::kInvalidArgument, "the grammar allows no token", "grammar");
    }
    if (params_.temperature <= 0) {
      return static_cast<Token>(best);
    }
    // Every draw moves the random state, so a lost or repeated draw shows in the text.
    const auto shift = static_cast<Token>(random_() % 8);
    return best >= 'a' && best <= 'z' ? 'a' + (static_cast<Token>(best) - 'a' + shift) % 26
                                      : static_cast<Token>(best);
  }
  void accept(Token /*token*/) override {}

private:
  SamplingParams params_;
  std::minstd_rand random_;
};

class FakeSamplers final : public SamplerFactory {
public:
  std::unique_ptr<Sampler> make(const SamplingParams &params,
                                std::span<const Token> /*prompt*/) const override {
    if (params.temperature < 0) {
      throw Error(ErrorCode::kInvalidArgument, "temperature must be at least 0", "temperature");
    }
    return std::make_unique<FakeSampler>(params);
  }
};

class FakeEncoder final : public PromptEncoder {
public:
  explicit FakeEncoder(FakeMediaParams media) : media_(media) {}

  EncodedPrompt encode(const PromptInput &input) const override {
    EncodedPrompt encoded;
    if (const auto *tokens = std::get_if<TokenPrompt>(&input)) {
      const auto is_foreign = [](Token t) { return t < 0 || t >= kFakeVocab; };
      if (std::ranges::any_of(tokens->tokens, is_foreign)) {
        throw Error(ErrorCode::kInvalidArgument, "a token is not in the vocabulary", "prompt");
      }
      encoded.prompt.tokens = tokens->tokens;
      return encoded;
    }
    if (const auto *infill = std::get_if<InfillPrompt>(&input)) {
      for (const InfillFile &file : infill->files) {
        encoded.text += file.name + ":" + file.text + "\n";
      }
      encoded.text += infill->prefix + infill->begun + "|" + infill->suffix + "|";
    } else if (const auto *chat = std::get_if<ChatPrompt>(&input)) {
      encode_chat(*chat, encoded);
      return encoded;
    } else {
      encoded.text = std::get<TextPrompt>(input).text;
    }
    encoded.prompt.tokens = FakeVocab().tokenize(encoded.text, {});
    return encoded;
  }

private:
  static void add_text(EncodedPrompt &encoded, const std::string &text) {
    encoded.text += text;
    const std::vector<Token> tokens = FakeVocab().tokenize(text, {});
    encoded.prompt.tokens.insert(encoded.prompt.tokens.end(), tokens.begin(), tokens.end());
  }

  void encode_chat(const ChatPrompt &chat, EncodedPrompt &encoded) const {
    for (const ChatMessage &message : chat.messages) {
      add_text(encoded, message.role + ":");
      std::size_t from = 0;
      for (const MediaPlace &place : message.media) {
        if (!media_.is_there) {
          throw Error(ErrorCode::kUnsupported, place.path + ": this model takes text only",
                      place.path);
        }
        add_text(encoded, message.content.substr(from, place.at - from));
        add_fake_media(encoded.prompt, *place.media, media_);
        from = place.at;
      }
      add_text(encoded, message.content.substr(from) + "\n");
    }
    add_text(encoded, chat.add_generation_prompt ? "assistant:" : "");
  }

  FakeMediaParams media_;
};

struct FakeOwner final : ModelOwner {
  std::unique_ptr<Models> drafter; // the proposer reads its vocabulary
};

// As sure as the model itself, as long as its memory follows.
void add_drafter(FakeModelParams params, FakeOwner &owner, Models &models) {
  params.drafts = false;
  params.n_cells = params.n_slots * params.n_ctx;
  params.step_us = 0;
  FakeDrafter drafter = make_fake_drafter(params);
  models.proposer = std::move(drafter.proposer);
  owner.drafter = std::move(drafter.models);
}

} // namespace

RunnerLimits FakeRunner::limits() const {
  const std::int32_t n_ubatch = params_.n_ubatch > 0 ? params_.n_ubatch : params_.n_batch;
  return {.n_ctx = params_.n_ctx,
          .n_batch = params_.n_batch,
          .n_vocab = kFakeVocab,
          .n_embd = 4,
          .n_outputs = params_.n_outputs,
          .n_ubatch = n_ubatch};
}

void FakeRunner::set_loras(std::span<const LoraScale> loras) {
  ++n_switches;
  salt_ = 0;
  for (const LoraScale &lora : loras) {
    salt_ = salt_ * 31 + static_cast<std::uint64_t>(lora.id + 1) * 1000 +
            static_cast<std::uint64_t>(lora.scale * 16);
  }
}

DecodeStatus FakeRunner::decode(const Batch &batch) {
  if (params_.lost_after > 0 && n_decodes++ >= params_.lost_after) {
    throw Error(ErrorCode::kDeviceLost, "the RPC server fake:1 was lost");
  }
  if (!next_status.empty()) {
    const DecodeStatus status = next_status.front();
    next_status.pop_front();
    return status;
  }
  if (!kv_.has_room(static_cast<std::int32_t>(batch.size()))) {
    return DecodeStatus::kNoCells;
  }
  if (std::ranges::count_if(batch, &Row::logits) > params_.n_outputs) {
    throw std::logic_error("more rows ask for logits than may");
  }
  last_ = batch;
  logits_.assign(batch.size(), {});
  lengths_.clear();
  for (const Row &row : batch) {
    kv_.append(row, salt_);
    lengths_.push_back(kv_.length(row.seq));
  }
  if (keep_log) {
    log.push_back(batch);
  }
  if (clock) {
    clock->advance_ms(ms_per_step + ms_per_row * static_cast<double>(batch.size()));
  }
  if (params_.step_us > 0) {
    std::this_thread::sleep_for(std::chrono::microseconds(params_.step_us));
  }
  return DecodeStatus::kOk;
}

Token FakeRunner::next_token(SeqId seq, Pos n) const {
  if (!params_.fixed_text.empty()) {
    const auto at = static_cast<std::size_t>(n) % params_.fixed_text.size();
    return static_cast<unsigned char>(params_.fixed_text[at]);
  }
  const std::uint64_t digest = kv_.digest(seq, n);
  const auto one_in = static_cast<std::uint64_t>(params_.end_one_in);
  if (one_in > 0 && (digest >> 20) % one_in == 0) {
    return kFakeEnd;
  }
  return 'a' + static_cast<Token>((digest >> 32) % 26);
}

std::span<const float> FakeRunner::logits(std::int32_t row) {
  const auto at = static_cast<std::size_t>(row);
  if (!last_.at(at).logits) {
    throw std::logic_error("the row did not ask for logits");
  }
  std::vector<float> &logits = logits_.at(at);
  if (logits.empty()) {
    logits.assign(kFakeVocab, 0.0F);
    logits[static_cast<std::size_t>(next_token(last_[at].seq, lengths_[at]))] = 1.0F;
  }
  return logits;
}

std::unique_ptr<Models> load_fake_models(const FakeModelParams &params, FakeHandles *handles) {
  auto models = std::make_unique<Models>();
  models->info.architecture = "fake";
  models->info.name = "fake";
  models->info.vocab_type = "bytes";
  models->info.n_vocab = kFakeVocab;
  models->info.n_ctx_train = params.n_ctx;
  models->info.n_embd = 4;
  models->info.has_chat_template = true;
  models->info.chat_template = "{role}:{content}";
  for (std::int32_t id = 0; id < params.n_loras; ++id) {
    models->info.loras.push_back({"lora-" + std::to_string(id), static_cast<float>(id + 1)});
  }
  KvTraits traits;
  traits.kind = params.kind;
  traits.n_cells = params.n_cells;
  traits.n_window = params.n_window;
  traits.can_share = params.kind == KvKind::kUnified || params.kind == KvKind::kSlidingWindow;
  traits.n_seqs = params.n_slots + (traits.can_share ? params.n_spare_seqs : 0);
  traits.can_copy_ranges = params.kind == KvKind::kUnified;
  traits.can_cut = params.kind != KvKind::kRecurrent && params.kind != KvKind::kHybrid;
  traits.can_shift =
      params.can_shift && (params.kind == KvKind::kUnified || params.kind == KvKind::kSplit);
  auto kv = std::make_unique<FakeKv>(traits);
  auto runner = std::make_unique<FakeRunner>(*kv, params);
  auto texts = std::make_unique<FakeTextEncoder>(params.texts);
  if (handles) {
    *handles = {kv.get(), runner.get(), texts.get(), nullptr};
  }
  auto owner = std::make_unique<FakeOwner>();
  if (params.drafts) {
    add_drafter(params, *owner, *models);
  }
  models->owner = std::move(owner);
  models->vocab = std::make_unique<FakeVocab>();
  models->encoder = std::make_unique<FakeEncoder>(params.media);
  if (params.media.is_there) {
    auto media = std::make_unique<FakeMediaEncoder>(params.media);
    if (handles) {
      handles->media = media.get();
    }
    models->media = std::move(media);
    models->info.sees_images = models->info.hears_audio = true;
  }
  models->samplers = std::make_unique<FakeSamplers>();
  models->texts = std::move(texts);
  models->info.generates = params.generates;
  models->info.has_rank_head = params.texts.ranks;
  const bool is_pooled = params.texts.join != PieceJoin::kAppend;
  models->info.pooling = params.texts.embeds ? (is_pooled ? "mean" : "none") : "";
  models->kv = std::move(kv);
  models->runner = std::move(runner);
  return models;
}

} // namespace llamabox
