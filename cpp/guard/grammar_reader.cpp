#include "guard/grammar_reader.h"

#include "base/error.h"

#include <algorithm>
#include <map>
#include <utility>

namespace llamabox {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || is_digit(c);
}

bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

class Reader {
public:
  Reader(std::string_view text, const GrammarLimits &limits) : text_(text), limits_(limits) {}

  GrammarOutline read() {
    skip_space(true);
    while (at_ < text_.size()) {
      read_rule();
    }
    for (const GrammarRule &rule : out_.rules) {
      if (rule.line == 0) {
        refuse("the rule \"" + rule.name + "\" is used and not defined");
      }
    }
    const auto root = ids_.find("root");
    if (root == ids_.end()) {
      refuse("there is no rule \"root\"");
    }
    out_.root = root->second;
    return std::move(out_);
  }

private:
  [[noreturn]] void refuse(const std::string &problem) const { refuse_grammar(line_, problem); }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  // "what comes here" for a message.
  std::string found() const {
    if (at_ >= text_.size()) {
      return "the end";
    }
    return text_[at_] == '\n' ? "the end of the line" : std::string{'"', text_[at_], '"'};
  }

  void next() {
    line_ += text_[at_] == '\n' ? 1 : 0;
    ++at_;
  }

  void skip_space(bool over_lines) {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        at_ = std::min(text_.size(), text_.find_first_of("\r\n", at_));
      } else if (c == ' ' || c == '\t' || (over_lines && (c == '\r' || c == '\n'))) {
        next();
      } else {
        return;
      }
    }
  }

  std::string read_name() {
    const std::size_t begin = at_;
    while (is_name(peek())) {
      ++at_;
    }
    if (at_ == begin) {
      refuse("a rule's name is expected, not " + found());
    }
    return std::string(text_.substr(begin, at_ - begin));
  }

  std::size_t new_rule(std::string name, std::size_t line) {
    if (out_.rules.size() >= limits_.n_rules) {
      refuse("more than " + std::to_string(limits_.n_rules) + " rules");
    }
    out_.rules.push_back({std::move(name), line, {}});
    return out_.rules.size() - 1;
  }

  std::size_t rule_of(const std::string &name) {
    const auto found_id = ids_.find(name);
    return found_id != ids_.end() ? found_id->second
                                  : ids_.emplace(name, new_rule(name, 0)).first->second;
  }

  void read_rule() {
    const std::size_t id = rule_of(read_name());
    if (out_.rules[id].line != 0) {
      refuse("the rule \"" + out_.rules[id].name + "\" is defined twice");
    }
    out_.rules[id].line = line_;
    skip_space(false);
    if (!text_.substr(at_).starts_with("::=")) {
      refuse("::= is expected, not " + found());
    }
    at_ += 3;
    skip_space(true);
    read_alternatives(id, 0);
    if (at_ < text_.size() && peek() != '\n' && peek() != '\r') {
      refuse("the end of the rule is expected, not " + found());
    }
    skip_space(true);
  }

  void read_alternatives(std::size_t id, std::int32_t depth) {
    for (;;) {
      GrammarSequence sequence = read_sequence(id, depth);
      out_.rules[id].alternatives.push_back(std::move(sequence));
      if (peek() != '|') {
        return;
      }
      next();
      skip_space(true);
    }
  }

  GrammarSequence read_sequence(std::size_t id, std::int32_t depth) {
    GrammarSequence sequence;
    for (;;) {
      GrammarPart part;
      if (!read_part(id, depth, part)) {
        return sequence;
      }
      skip_space(depth > 0);
      if (read_repetition(part)) {
        skip_space(depth > 0);
        if (std::string_view("*+?{").find(peek()) != std::string_view::npos && peek() != '\0') {
          refuse("a repetition of a repetition needs parentheses");
        }
      }
      if (part.n_elements > 0) {
        sequence.push_back(part);
      }
    }
  }

  // False when what comes is no part of a sequence.
  bool read_part(std::size_t id, std::int32_t depth, GrammarPart &part) {
    switch (peek()) {
    case '"':
      part.n_elements = read_quoted('"');
      return true;
    case '[':
      part.n_elements = read_quoted(']');
      if (part.n_elements == 0) {
        refuse("a set of characters is empty");
      }
      return true;
    case '.':
      next();
      return true;
    case '<':
    case '!':
      read_token();
      return true;
    case '(':
      read_group(id, depth, part);
      return true;
    default:
      if (!is_name(peek())) {
        return false;
      }
      part.rule = rule_of(read_name());
      return true;
    }
  }

  // Characters up to the closing one; returns how many there are.
  std::uint64_t read_quoted(char closing) {
    next();
    if (closing == ']' && peek() == '^') {
      next();
    }
    std::uint64_t n = 0;
    while (peek() != closing) {
      if (at_ >= text_.size()) {
        refuse(std::string("a closing ") + closing + " is missing");
      }
      if (peek() == '\\') {
        read_escape();
      } else {
        next();
      }
      ++n;
    }
    next();
    return n;
  }

  void read_escape() {
    ++at_;
    const char kind = peek();
    const std::size_t n_hex = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    if (n_hex == 0 && std::string_view("trn\\\"[]-").find(kind) == std::string_view::npos) {
      refuse(std::string("there is no escape \\") + kind);
    }
    next();
    for (std::size_t i = 0; i < n_hex; ++i) {
      if (!is_hex(peek())) {
        refuse(std::to_string(n_hex) + " hexadecimal digits are expected after \\" +
               std::string{kind});
      }
      next();
    }
  }

  void read_token() {
    if (peek() == '!') {
      next();
    }
    const std::size_t end = text_.find_first_of(">\n", at_);
    if (peek() != '<' || end == std::string_view::npos || text_[end] != '>') {
      refuse("a token is written <text> or <[id]>");
    }
    const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
    if (inside.starts_with('[')) {
      const bool is_id = inside.size() >= 3 && inside.size() <= 12 && inside.ends_with(']') &&
                         std::ranges::all_of(inside.substr(1, inside.size() - 2), is_digit);
      if (!is_id) {
        refuse("a token's id is written <[id]>");
      }
    }
    at_ = end + 1;
  }

  void read_group(std::size_t id, std::int32_t depth, GrammarPart &part) {
    if (depth >= limits_.n_nested) {
      refuse("parentheses are nested more than " + std::to_string(limits_.n_nested) + " deep");
    }
    next();
    skip_space(true);
    const std::size_t n_before = n_generated_ + ids_.size();
    part.rule = new_rule(out_.rules[id].name, line_);
    ++n_generated_;
    read_alternatives(part.rule, depth + 1);
    part.n_rules = n_generated_ + ids_.size() - n_before;
    if (peek() != ')') {
      refuse("a closing ) is expected, not " + found());
    }
    next();
  }

  bool read_repetition(GrammarPart &part) {
    switch (peek()) {
    case '*':
      next();
      part.least = 0;
      part.most = kUnlimited;
      break;
    case '+':
      next();
      part.most = kUnlimited;
      break;
    case '?':
      next();
      part.least = 0;
      break;
    case '{':
      read_bounds(part);
      break;
    default:
      return false;
    }
    if (part.n_elements == 0) {
      refuse("an empty text cannot be repeated");
    }
    count_repetition(part);
    return true;
  }

  void read_bounds(GrammarPart &part) {
    next();
    skip_space(true);
    part.least = part.most = read_number();
    skip_space(true);
    if (peek() == ',') {
      next();
      skip_space(true);
      part.most = is_digit(peek()) ? read_number() : kUnlimited;
      skip_space(true);
    }
    if (peek() != '}') {
      refuse("a closing } is expected, not " + found());
    }
    next();
    if (part.most < part.least) {
      refuse("a repetition ends below where it begins");
    }
  }

  std::uint64_t read_number() {
    if (!is_digit(peek())) {
      refuse("a number is expected, not " + found());
    }
    std::uint64_t number = 0;
    for (; is_digit(peek()); ++at_) {
      number = std::min<std::uint64_t>(number * 10 + static_cast<std::uint64_t>(peek() - '0'),
                                       limits_.n_repeat + 1);
    }
    if (number > limits_.n_repeat) {
      refuse("a repetition of more than " + std::to_string(limits_.n_repeat));
    }
    return number;
  }

  // Counts what upstream makes of it: the least written out, a rule for each optional one.
  void count_repetition(const GrammarPart &part) {
    const std::uint64_t written =
        part.most == kUnlimited ? part.least : std::max(part.least, part.most);
    const std::uint64_t n_optional = part.most == kUnlimited ? 1 : part.most - part.least;
    if (part.n_rules * std::max<std::uint64_t>(written, 1) > limits_.n_repeat) {
      refuse("a group is repeated so often that it becomes more than " +
             std::to_string(limits_.n_repeat) + " rules");
    }
    n_generated_ += static_cast<std::size_t>(n_optional);
    n_elements_ += (part.n_elements + 3) * std::max<std::uint64_t>(written, 1);
    if (n_generated_ + ids_.size() > limits_.n_rules) {
      refuse("more than " + std::to_string(limits_.n_rules) + " rules, repetitions included");
    }
    if (n_elements_ > limits_.n_elements) {
      refuse("repetitions become more than " + std::to_string(limits_.n_elements) + " elements");
    }
  }

  std::string_view text_;
  const GrammarLimits &limits_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::size_t n_generated_ = 0; // rules that groups and repetitions become
  std::uint64_t n_elements_ = 0;
  std::map<std::string, std::size_t> ids_;
  GrammarOutline out_;
};

} // namespace

void refuse_grammar(std::size_t line, const std::string &problem) {
  throw Error(ErrorCode::kInvalidArgument,
              "grammar is wrong in line " + std::to_string(line) + ": " + problem, "grammar");
}

GrammarOutline read_grammar(std::string_view text, const GrammarLimits &limits) {
  return Reader(text, limits).read();
}

} // namespace llamabox
