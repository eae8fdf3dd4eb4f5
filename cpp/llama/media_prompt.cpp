#include "llama/media_prompt.h"

#include "base/error.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <random>
#include <utility>

namespace llamabox {
namespace {

std::string new_secret() {
  std::random_device random;
  std::string secret;
  for (int i = 0; i < 4; ++i) {
    std::array<char, 8> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(),
                                   static_cast<std::uint32_t>(random()), 16);
    secret.append(digits.data(), end.ptr);
  }
  return secret;
}

} // namespace

MediaMarks::MediaMarks(ChatPrompt &chat) {
  for (ChatMessage &message : chat.messages) {
    if (message.media.empty()) {
      continue;
    }
    secret_ = secret_.empty() ? new_secret() : secret_;
    std::string marked;
    std::size_t from = 0;
    for (MediaPlace &place : message.media) {
      if (place.at < from || place.at > message.content.size()) {
        throw Error(ErrorCode::kInvalidArgument, place.path + " stands nowhere", place.path);
      }
      marked.append(message.content, from, place.at - from);
      marked += mark(places_.size());
      from = place.at;
      places_.push_back(std::move(place));
    }
    marked.append(message.content, from);
    message.content = std::move(marked);
    message.media.clear();
  }
}

std::string MediaMarks::mark(std::size_t at) const {
  return "<__media_" + secret_ + "_" + std::to_string(at) + "__>";
}

std::vector<PromptPart> MediaMarks::split(const std::string &rendered) const {
  const std::string begin = "<__media_" + secret_ + "_";
  std::vector<PromptPart> parts;
  std::vector<bool> is_found(places_.size());
  std::size_t from = 0;
  for (;;) {
    const std::size_t found = rendered.find(begin, from);
    if (found > from && from < rendered.size()) {
      parts.push_back({rendered.substr(from, found - from), nullptr});
    }
    if (found == std::string::npos) {
      break;
    }
    std::size_t at = 0;
    const char *digits = rendered.data() + found + begin.size();
    std::from_chars(digits, rendered.data() + rendered.size(), at);
    parts.push_back({{}, &places_.at(at)});
    is_found[at] = true;
    from = found + mark(at).size();
  }
  for (std::size_t at = 0; at < places_.size(); ++at) {
    if (!is_found[at]) {
      throw Error(ErrorCode::kInvalidArgument, "the chat template leaves out " + places_[at].path,
                  places_[at].path);
    }
  }
  return parts;
}

} // namespace llamabox
