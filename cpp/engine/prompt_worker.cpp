#include "engine/prompt_worker.h"

#include "engine/free_thinking.h"
#include "engine/media_worker.h"
#include "engine/thinking_budget.h"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <utility>

namespace llamabox {
namespace {

// Numbers that one request may get: 32 MiB of them.
constexpr std::int64_t kMaxEncodedValues = std::int64_t{1} << 23U;

void check_loras(const LoraSet &loras, const Models &models) {
  std::vector<bool> is_named(models.info.loras.size());
  for (const LoraScale &lora : loras) {
    const std::string name = "adapter " + std::to_string(lora.id);
    const auto id = static_cast<std::size_t>(lora.id);
    if (lora.id < 0 || id >= is_named.size()) {
      throw Error(ErrorCode::kInvalidArgument,
                  name + " does not exist; " + std::to_string(is_named.size()) + " are loaded",
                  "lora");
    }
    if (is_named[id]) {
      throw Error(ErrorCode::kInvalidArgument, name + " is named twice", "lora");
    }
    is_named[id] = true;
  }
}

// Before the projector works for a prompt that cannot run.
void check_media(const Prompt &prompt, const RunnerLimits &limits) {
  if (!prompt.media.empty() && prompt.size() >= limits.n_ctx) {
    throw Error(ErrorCode::kContextExceeded,
                "the prompt has " + std::to_string(prompt.size()) +
                    " tokens with its pictures and sounds; the context holds " +
                    std::to_string(limits.n_ctx) + ", one of them for the answer",
                "prompt");
  }
  for (const MediaSpan &span : prompt.media) {
    if (const auto error = too_large(span, limits)) {
      throw Error(error->code(), error->what(), error->param());
    }
  }
}

// Of one choice: within the grammar, where there is one, behind a thinking block that is free, and
// the block within its budget.
std::unique_ptr<Sampler> make_sampler(const SamplingParams &sampling, const EncodedPrompt &encoded,
                                      const GenerateRequest &generate, const Models &models) {
  const ThinkingMarks &marks = encoded.thinking;
  const std::vector<Token> &prompt = encoded.prompt.tokens;
  auto sampler = models.samplers->make(sampling, prompt);
  const bool is_bound = !sampling.grammar.empty() || !sampling.json_schema.empty();
  const bool thinks_freely = encoded.grammar.empty() || encoded.thinks_freely;
  // A begin of several tokens could as well be the beginning of an answer.
  const bool may_think = marks.may_precede && (marks.is_open || marks.begin_tokens.size() == 1);
  if (marks.end_tokens.empty() || (is_bound && thinks_freely && !may_think)) {
    return sampler;
  }
  if (is_bound && thinks_freely) {
    SamplingParams free = sampling;
    free.grammar = {};
    free.json_schema.clear();
    sampler = std::make_unique<FreeThinkingSampler>(models.samplers->make(free, prompt),
                                                    std::move(sampler),
                                                    ThinkingBlock(*models.vocab, marks));
  }
  if (generate.thinking_budget >= 0) {
    sampler = std::make_unique<BudgetedSampler>(
        std::move(sampler), ThinkingBlock(*models.vocab, marks), generate.thinking_budget);
  }
  return sampler;
}

void encode_generate(Arrival &arrival, GenerateRequest &generate, const Models &models) {
  if (!models.info.generates) {
    throw Error(ErrorCode::kUnsupported, "this server generates no text");
  }
  if (generate.loras) {
    check_loras(*generate.loras, models);
  }
  if (!(generate.tokens_per_second >= 0)) {
    throw Error(ErrorCode::kInvalidArgument, "tokens_per_second must be at least 0",
                "tokens_per_second");
  }
  EncodedPrompt encoded = models.encoder->encode(generate.prompt);
  if (encoded.prompt.tokens.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "the prompt has no tokens", "prompt");
  }
  check_media(encoded.prompt, models.runner->limits());
  if (generate.score_prompt && (generate.n_logprobs < 0 || !encoded.prompt.media.empty())) {
    throw Error(ErrorCode::kInvalidArgument,
                "a prompt is scored where logprobs are asked for and it is text", "prompt");
  }
  generate.prompt = TextPrompt{}; // pictures and sounds are large
  arrival.stop = std::move(generate.stop);
  arrival.stop.insert(arrival.stop.end(), encoded.stop.begin(), encoded.stop.end());
  arrival.make_parser = std::move(encoded.make_parser);
  arrival.shown_tokens =
      std::make_shared<const std::vector<Token>>(std::move(encoded.shown_tokens));
  SamplingParams sampling = generate.sampling;
  if (!encoded.grammar.empty()) {
    sampling.grammar = encoded.grammar;
    sampling.json_schema.clear(); // of all answers; the grammar of tools is of this one
  }
  for (std::int32_t choice = 0; choice < generate.n; ++choice) {
    arrival.samplers.push_back(make_sampler(sampling, encoded, generate, models));
    if (sampling.seed) {
      ++*sampling.seed;
    }
  }
  arrival.prompt = std::make_shared<const Prompt>(std::move(encoded.prompt));
}

void check_order(const Request &request) {
  if (std::abs(request.priority) > kMostPriority) {
    throw Error(ErrorCode::kInvalidArgument,
                "priority is " + std::to_string(request.priority) + "; it must be " +
                    std::to_string(-kMostPriority) + " to " + std::to_string(kMostPriority),
                "priority");
  }
  if (request.timeout_ns <= 0) {
    throw Error(ErrorCode::kInvalidArgument, "timeout_ns must be above 0", "timeout_ns");
  }
}

void encode_render(Arrival &arrival, const RenderRequest &render, const Models &models) {
  EncodedPrompt encoded = models.encoder->encode(render.prompt);
  arrival.result = std::make_unique<Result>();
  arrival.result->text = std::move(encoded.text);
  arrival.result->tokens = std::move(encoded.prompt.tokens);
}

void check_side(const SideRequest &side, const Models &models) {
  if (side.call.kind == SideKind::kSetLora && models.info.loras.empty()) {
    throw Error(ErrorCode::kUnsupported, "this model has no adapters");
  }
  check_loras(side.call.loras, models);
}

[[noreturn]] void refuse_long_text(std::size_t at, std::size_t n_tokens, std::int32_t n_ctx) {
  const std::string name = "text[" + std::to_string(at) + "]";
  throw Error(ErrorCode::kContextExceeded,
              name + " has " + std::to_string(n_tokens) + " tokens; at most " +
                  std::to_string(n_ctx) + " can be read",
              name);
}

void check_encode(const EncodeRequest &encode, const Models &models) {
  if (!models.texts || !models.texts->supports(encode.kind)) {
    throw Error(ErrorCode::kUnsupported, encode.kind == EncodeKind::kEmbed
                                             ? "this server makes no embeddings"
                                             : "this server ranks no documents");
  }
  if (encode.inputs.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "there is no text to read", "text");
  }
  const std::int32_t n_values = models.texts->limits(encode.kind).n_values;
  if (encode.n_dims < 0 || encode.n_dims > n_values) {
    throw Error(ErrorCode::kInvalidArgument,
                "dimensions is " + std::to_string(encode.n_dims) + "; the model's vectors have " +
                    std::to_string(n_values),
                "dimensions");
  }
}

void encode_texts(Arrival &arrival, const EncodeRequest &encode, const Models &models) {
  check_encode(encode, models);
  const EncodeLimits limits = models.texts->limits(encode.kind);
  arrival.n_made_bytes = models.texts->prepare(encode.kind);
  std::int64_t n_rows = 0;
  for (const EncodeInput &input : encode.inputs) {
    if (arrival.ticket.cancelled->load(std::memory_order_acquire)) {
      return; // the scheduler ends it
    }
    std::vector<Token> text = models.texts->tokens(input);
    if (text.size() > static_cast<std::size_t>(limits.n_ctx)) {
      refuse_long_text(arrival.texts.size(), text.size(), limits.n_ctx);
    }
    n_rows += limits.join == PieceJoin::kAppend ? static_cast<std::int64_t>(text.size()) : 1;
    arrival.texts.push_back(std::move(text));
  }
  if (n_rows * limits.n_values > kMaxEncodedValues) {
    throw Error(ErrorCode::kInvalidArgument,
                "the vectors of all texts have " + std::to_string(n_rows * limits.n_values) +
                    " numbers; at most " + std::to_string(kMaxEncodedValues) + " are returned",
                "text");
  }
}

} // namespace

std::optional<Error> too_large(const MediaSpan &span, const RunnerLimits &limits) {
  const std::int32_t n_max = std::min(limits.n_batch, limits.n_ubatch);
  if (span.can_split || span.n_rows <= n_max) {
    return std::nullopt;
  }
  return Error(ErrorCode::kInvalidArgument,
               "an image takes " + std::to_string(span.n_rows) +
                   " rows at once; the batch size is " + std::to_string(n_max),
               "messages");
}

Arrival prepare(Submission submission, const Models &models) {
  Arrival arrival;
  arrival.ticket = std::move(submission.ticket);
  arrival.request = std::move(submission.request);
  arrival.submitted_ns = submission.submitted_ns;
  if (arrival.ticket.cancelled->load(std::memory_order_acquire)) {
    return arrival; // the scheduler ends it; encoding it would be wasted
  }
  try {
    check_order(arrival.request);
    if (auto *generate = std::get_if<GenerateRequest>(&arrival.request.body)) {
      encode_generate(arrival, *generate, models);
    } else if (auto *render = std::get_if<RenderRequest>(&arrival.request.body)) {
      encode_render(arrival, *render, models);
    } else if (auto *encode = std::get_if<EncodeRequest>(&arrival.request.body)) {
      encode_texts(arrival, *encode, models);
    } else {
      check_side(std::get<SideRequest>(arrival.request.body), models);
    }
  } catch (const Error &error) {
    arrival.error = error;
  } catch (const std::exception &error) {
    arrival.error = Error(ErrorCode::kInternal, error.what());
  }
  return arrival;
}

PromptWorkers::PromptWorkers(std::int32_t n_threads, const Models &models, Inbox<Arrival> &arrivals,
                             MediaWorker *media)
    : models_(models), arrivals_(arrivals), media_(media) {
  for (std::int32_t i = 0; i < n_threads; ++i) {
    threads_.emplace_back([this] {
      while (auto submission = submissions_.take_one()) {
        hand_over(prepare(std::move(*submission), models_));
      }
    });
  }
}

void PromptWorkers::hand_over(Arrival arrival) {
  if (media_ != nullptr && needs_encoding(arrival)) {
    media_->put(std::move(arrival));
  } else {
    arrivals_.put(std::move(arrival));
  }
}

PromptWorkers::~PromptWorkers() {
  submissions_.close();
  for (std::thread &thread : threads_) {
    thread.join();
  }
}

} // namespace llamabox
