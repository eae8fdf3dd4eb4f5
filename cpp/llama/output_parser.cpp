#include "llama/output_parser.h"

#include "engine/output.h"
#include "llama/output_format.h"

#include <algorithm>
#include <random>
#include <utility>

namespace llamabox {
namespace {

constexpr std::string_view kSpace = " \t\r\n";
constexpr std::size_t kAlwaysRead = 1024; // bytes up to which every piece is read
constexpr std::size_t kReadStep = 16;     // beyond, a read waits for this part of the text in bytes
constexpr std::size_t kGrace = 64;        // bytes after which what does not match will not any more
constexpr std::int32_t kMaxDepth = 128;   // of brackets: upstream's parser recurses
constexpr std::size_t kIdLength = 9;      // the one length that Mistral's templates accept

std::string new_call_id() {
  constexpr std::string_view kAlphabet =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  thread_local std::mt19937_64 random{std::random_device{}()};
  std::uniform_int_distribution<std::size_t> index(0, kAlphabet.size() - 1);
  std::string id(kIdLength, ' ');
  std::generate(id.begin(), id.end(), [&] { return kAlphabet[index(random)]; });
  return id;
}

// True when the letter `probed` has more went where `sent` ends, with nothing between but what may
// become a boundary.
bool is_open(std::string_view read, const Boundaries &boundaries, const std::string &sent,
             const std::string &probed) {
  if (!boundaries.known || sent.empty()) {
    return false; // before its first letter a stretch may yet turn out to be something else
  }
  if (!probed.starts_with(sent) || probed.back() != 'x') {
    return false;
  }
  const std::string held = probed.substr(sent.size(), probed.size() - 1 - sent.size());
  return read.ends_with(held) && held.size() <= boundaries.n_held(read);
}

} // namespace

ChatOutputParser::ChatOutputParser(std::shared_ptr<const OutputFormat> format, bool one_call)
    : format_(std::move(format)), one_call_(one_call) {
  // What the template wrote of the answer is the client's, not the model's.
  if (const auto parsed = format_->parse("")) {
    sent_content_ = parsed->message.content;
    sent_reasoning_ = parsed->message.reasoning_content;
    reasoning_begun_ = !sent_reasoning_.empty();
  }
}

bool ChatOutputParser::in_reasoning() const {
  return mode_ == Mode::kReasoning || (mode_ == Mode::kMarked && last_was_reasoning_);
}

OutputDelta ChatOutputParser::feed(std::string_view text) {
  OutputDelta delta;
  if (text.empty() || is_over_) {
    return delta;
  }
  text_ += text;
  if (mode_ == Mode::kContent || mode_ == Mode::kReasoning) {
    pass_through(delta);
  }
  if (mode_ == Mode::kPlain) {
    give_up(delta);
  } else if (mode_ == Mode::kMarked) {
    note_depth(text);
    const std::size_t size = text_.size() - n_incomplete_utf8(text_);
    if (depth_ > kMaxDepth) {
      give_up(delta);
    } else if (size >= next_read_) {
      read(size, delta);
    }
  }
  return delta;
}

OutputDelta ChatOutputParser::finish() {
  OutputDelta delta;
  if (is_over_) {
    return delta;
  }
  if (mode_ == Mode::kMarked && depth_ <= kMaxDepth) {
    std::size_t n = text_.size();
    auto parsed = format_->parse(text_);
    if (!parsed) {
      n = longest_match(n);
      parsed = format_->parse(std::string_view(text_).substr(0, n));
    }
    if (parsed) {
      take(parsed->message, true, delta);
      if (is_over_) {
        return delta;
      }
      choose_mode(n, parsed->message);
      if (mode_ == Mode::kMarked && parsed->status == OutputFormat::Status::kComplete) {
        done_ = n;
      }
    }
  }
  if (mode_ == Mode::kReasoning) {
    add_reasoning(std::string_view(text_).substr(done_), delta);
  } else {
    give_up(delta);
  }
  return delta;
}

// A stretch of content or reasoning goes on until one of its boundaries.
void ChatOutputParser::pass_through(OutputDelta &delta) {
  const bool is_content = mode_ == Mode::kContent;
  const Boundaries &boundaries = is_content ? format_->content() : format_->reasoning();
  const std::string_view rest = std::string_view(text_).substr(done_);
  std::size_t n = boundaries.find(rest, 0);
  if (n != std::string_view::npos) {
    mode_ = Mode::kMarked;
    depth_ = 0;
  } else {
    n = rest.size() - std::max(boundaries.n_held(rest), n_incomplete_utf8(rest));
  }
  if (is_content) {
    add_content(rest.substr(0, n), delta);
  } else {
    add_reasoning(rest.substr(0, n), delta);
  }
  done_ += n;
}

void ChatOutputParser::read(std::size_t size, OutputDelta &delta) {
  next_read_ = size + (size < kAlwaysRead ? 1 : size / kReadStep);
  std::size_t n = size;
  auto parsed = format_->parse(std::string_view(text_).substr(0, n));
  if (!parsed && failed_at_ == 0) {
    failed_at_ = size;
    n = longest_match(size);
    parsed = n > n_read_ ? format_->parse(std::string_view(text_).substr(0, n)) : std::nullopt;
  } else if (parsed) {
    failed_at_ = 0;
  }
  if (parsed) {
    n_read_ = n;
    take(parsed->message, false, delta);
    if (n == size) {
      choose_mode(n, parsed->message);
    } else if (has_tool_calls()) {
      done_ = n;
    }
  }
  if (failed_at_ != 0 && size >= failed_at_ + kGrace) {
    give_up(delta);
  }
}

// Bytes from the start that the full parser understands; what begins badly stays bad.
std::size_t ChatOutputParser::longest_match(std::size_t size) const {
  std::size_t good = n_read_;
  std::size_t bad = size;
  while (bad - good > 1) {
    std::size_t middle = good + (bad - good) / 2;
    while (middle > good && (static_cast<unsigned char>(text_[middle]) & 0xC0) == 0x80) {
      --middle; // never within a character
    }
    if (middle == good) {
      break;
    }
    (format_->parse(std::string_view(text_).substr(0, middle)) ? good : bad) = middle;
  }
  return good;
}

void ChatOutputParser::take(const common_chat_msg &message, bool is_last, OutputDelta &delta) {
  const auto skip = [this](const std::string &more) {
    if (text_.compare(done_, more.size(), more) == 0) {
      done_ += more.size();
    }
  };
  if (message.reasoning_content.starts_with(sent_reasoning_)) {
    const std::string more = message.reasoning_content.substr(sent_reasoning_.size());
    skip(more);
    add_reasoning(more, delta);
  }
  if (message.content.starts_with(sent_content_)) {
    const std::string more = message.content.substr(sent_content_.size());
    skip(more);
    add_content(more, delta);
  }
  take_calls(message, is_last, delta);
}

void ChatOutputParser::take_calls(const common_chat_msg &message, bool is_last,
                                  OutputDelta &delta) {
  for (std::size_t i = 0; i < message.tool_calls.size(); ++i) {
    if (one_call_ && i > 0) {
      is_over_ = true; // upstream's grammar of some formats allows for more all the same
      done_ = text_.size();
      return;
    }
    const common_chat_tool_call &call = message.tool_calls[i];
    const auto index = static_cast<std::int32_t>(i);
    if (i == sent_calls_.size()) {
      const bool is_final = is_last || i + 1 < message.tool_calls.size();
      if (!is_final && call.arguments.size() <= 1 && format_->may_grow(call.name)) {
        return;
      }
      last_was_reasoning_ = false;
      sent_calls_.push_back({call.name, {}});
      delta.tool_calls.push_back({index, call.id.empty() ? new_call_id() : call.id, call.name, {}});
    }
    SentCall &sent = sent_calls_[i];
    if (call.name == sent.name && call.arguments.size() > sent.arguments.size() &&
        call.arguments.starts_with(sent.arguments)) {
      delta.tool_calls.push_back({index, {}, {}, call.arguments.substr(sent.arguments.size())});
      sent.arguments = call.arguments;
    }
  }
}

// Whether what was read ends within content or reasoning is seen by reading one letter more.
void ChatOutputParser::choose_mode(std::size_t size, const common_chat_msg &message) {
  mode_ = Mode::kMarked;
  const auto probed = format_->parse(text_.substr(0, size) + 'x');
  if (probed && probed->message.tool_calls.size() == message.tool_calls.size()) {
    const common_chat_msg &next = probed->message;
    const bool more_content = next.content != message.content;
    const bool more_reasoning = next.reasoning_content != message.reasoning_content;
    const std::string_view read = std::string_view(text_).substr(0, size);
    if (more_content && !more_reasoning &&
        is_open(read, format_->content(), message.content, next.content)) {
      mode_ = Mode::kContent;
      done_ = size - (next.content.size() - 1 - message.content.size());
    } else if (more_reasoning && !more_content &&
               is_open(read, format_->reasoning(), message.reasoning_content,
                       next.reasoning_content)) {
      mode_ = Mode::kReasoning;
      done_ = size - (next.reasoning_content.size() - 1 - message.reasoning_content.size());
    }
  }
  if (mode_ == Mode::kMarked && has_tool_calls()) {
    done_ = size;
  }
}

// From here on everything is content.
void ChatOutputParser::give_up(OutputDelta &delta) {
  std::string_view rest = std::string_view(text_).substr(done_);
  if (mode_ == Mode::kMarked && last_was_reasoning_) {
    for (const std::string &end : format_->thinking_ends()) {
      if (rest.starts_with(end)) {
        rest.remove_prefix(end.size());
        rest.remove_prefix(std::min(rest.find_first_not_of(kSpace), rest.size()));
        break;
      }
    }
  }
  mode_ = Mode::kPlain;
  add_content(rest, delta);
  done_ = text_.size();
}

void ChatOutputParser::note_depth(std::string_view text) {
  for (const char c : text) {
    if (c == '{' || c == '[') {
      ++depth_;
    } else if ((c == '}' || c == ']') && depth_ > 0) {
      --depth_;
    }
  }
}

void ChatOutputParser::add_content(std::string_view text, OutputDelta &delta) {
  if (!text.empty()) {
    sent_content_ += text;
    delta.text += text;
    last_was_reasoning_ = false;
  }
}

// The white space around reasoning belongs to its marks.
void ChatOutputParser::add_reasoning(std::string_view text, OutputDelta &delta) {
  if (text.empty()) {
    return;
  }
  sent_reasoning_ += text;
  last_was_reasoning_ = true;
  held_space_ += text;
  const std::size_t last = held_space_.find_last_not_of(kSpace);
  if (last == std::string::npos) {
    return;
  }
  const std::size_t first = reasoning_begun_ ? 0 : held_space_.find_first_not_of(kSpace);
  delta.reasoning += held_space_.substr(first, last + 1 - first);
  held_space_.erase(0, last + 1);
  reasoning_begun_ = true;
}

} // namespace llamabox
