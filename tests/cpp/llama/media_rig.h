// What the tests of pictures and sounds share: small ones, and an engine that is asked about them.
// Thread rule: test code, one thread.
// Covered by its users.
#pragma once

#include "engine/engine.h"
#include "model/media.h"
#include "tiny_model.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace llamabox {

// A picture of coloured stripes; `hash` stands for its content.
inline std::shared_ptr<const Media> stripes(std::uint64_t seed, std::int32_t width = 60,
                                            std::int32_t height = 40) {
  auto media = std::make_shared<Media>();
  media->width = width;
  media->height = height;
  media->hash = seed;
  for (std::int32_t y = 0; y < height; ++y) {
    for (std::int32_t x = 0; x < width; ++x) {
      const auto stripe = static_cast<std::uint64_t>(x / 8 + y / 16);
      for (std::uint64_t color = 0; color < 3; ++color) {
        media->bytes.push_back(
            static_cast<std::uint8_t>((stripe * 61 + seed * (37 + color * 50)) % 256));
      }
    }
  }
  return media;
}

inline void add_number(std::vector<std::uint8_t> &bytes, std::uint32_t value, int n_bytes) {
  for (int i = 0; i < n_bytes; ++i) {
    bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  }
}

// A WAV file of a tone.
inline std::vector<std::uint8_t> wav(double hertz, std::uint32_t n_samples,
                                     std::uint32_t rate = 16000) {
  std::vector<std::uint8_t> bytes;
  const auto add_text = [&](const char *text) { bytes.insert(bytes.end(), text, text + 4); };
  add_text("RIFF");
  add_number(bytes, 36 + 2 * n_samples, 4);
  add_text("WAVE");
  add_text("fmt ");
  add_number(bytes, 16, 4);
  add_number(bytes, 1, 2); // PCM
  add_number(bytes, 1, 2); // mono
  add_number(bytes, rate, 4);
  add_number(bytes, 2 * rate, 4);
  add_number(bytes, 2, 2);
  add_number(bytes, 16, 2);
  add_text("data");
  add_number(bytes, 2 * n_samples, 4);
  for (std::uint32_t i = 0; i < n_samples; ++i) {
    const double value = std::sin(6.283185307 * hertz * i / rate);
    add_number(bytes, static_cast<std::uint16_t>(static_cast<std::int16_t>(20000 * value)), 2);
  }
  return bytes;
}

inline std::shared_ptr<const Media> tone(double hertz) {
  auto media = std::make_shared<Media>();
  media->kind = MediaKind::kAudio;
  media->bytes = wav(hertz, 8000);
  media->hash = static_cast<std::uint64_t>(hertz);
  return media;
}

inline LlamaParams media_params(const std::string &model, const std::string &projector) {
  LlamaParams params = small_params(model);
  params.projector.path = model_path("mmproj-" + projector);
  params.context.n_ctx = 2048;
  return params;
}

// Flash attention sums in half precision, in an order that hangs on a row's company.
inline LlamaParams exact_media_params(const std::string &model, const std::string &projector) {
  LlamaParams params = media_params(model, projector);
  params.context.flash_attn = FlashAttn::kOff;
  return params;
}

inline ChatMessage said(const std::string &text,
                        const std::vector<std::shared_ptr<const Media>> &media) {
  ChatMessage message{"user", text};
  for (const auto &one : media) {
    message.media.push_back({one, 0, "messages[0].content[0]"});
  }
  return message;
}

// What was said, and how likely its tokens were.
struct Answer {
  std::string text;
  std::vector<TokenLogprobs> tokens;
};

// By how much a token was likelier than the next best. The end of the text may be likelier than
// both: it was not to be chosen.
inline float lead_of(const TokenLogprobs &token) {
  const auto is_next = [&](const TokenChance &other) {
    return other.token != token.chosen.token && other.logprob <= token.chosen.logprob;
  };
  const auto next = std::ranges::find_if(token.best, is_next);
  return next == token.best.end() ? 1e9F : token.chosen.logprob - next->logprob;
}

// The lead of the token at which an answer begins to differ from `other`: 0 where it does not,
// more than any where no token of the answer is to blame, as it is where one ended early.
inline float lead_where_other(const Answer &answer, const std::string &other) {
  if (answer.text == other) {
    return 0;
  }
  const auto n_same = std::ranges::mismatch(answer.text, other).in1 - answer.text.begin();
  std::string said;
  for (const TokenLogprobs &token : answer.tokens) {
    said += token.chosen.bytes;
    const std::size_t begin = said.find_first_not_of(" \n"); // a parser leaves that out
    if (begin < said.size() && static_cast<std::ptrdiff_t>(said.size() - begin) > n_same) {
      return lead_of(token);
    }
  }
  return 1e9F;
}

// An engine with one client that asks and waits.
class MediaDesk {
public:
  explicit MediaDesk(const LlamaParams &params, const EngineParams &engine_params = {})
      : engine_(load_models(params), engine_params) {
    engine_.start();
  }
  ~MediaDesk() { engine_.stop(); }

  RequestId ask(const ChatPrompt &chat, std::int32_t n_tokens = 12) {
    GenerateRequest body;
    body.prompt = chat;
    body.sampling.temperature = 0;
    body.sampling.ignore_eos = true;
    body.max_tokens = n_tokens;
    body.n_logprobs = 3;
    Request request;
    request.body = std::move(body);
    return engine_.submit(std::move(request));
  }

  // Text, or what went wrong.
  std::string wait(RequestId id) {
    while (!done_.contains(id)) {
      for (Event &event : engine_.drain()) {
        Answer &answer = answers_[event.request];
        answer.text += event.text + event.message;
        answer.tokens.insert(answer.tokens.end(), event.logprobs.begin(), event.logprobs.end());
        if (event.kind == EventKind::kDone) {
          done_[event.request] = event.usage;
        }
      }
      std::this_thread::yield();
    }
    return answers_[id].text;
  }

  std::string answer(const ChatPrompt &chat, std::int32_t n_tokens = 12) {
    return wait(ask(chat, n_tokens));
  }
  const Answer &said_by(RequestId id) const { return answers_.at(id); }
  const Usage &usage(RequestId id) { return done_.at(id); }
  Engine &engine() { return engine_; }

private:
  Engine engine_;
  std::map<RequestId, Answer> answers_;
  std::map<RequestId, Usage> done_;
};

} // namespace llamabox
