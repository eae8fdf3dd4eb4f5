#include "llama/output_format.h"

#include "llama/peg_walk.h"

#include "chat-peg-parser.h"

#include <algorithm>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

namespace llamabox {
namespace {

std::unique_ptr<common_chat_peg_mapper> make_mapper(common_chat_format kind,
                                                    common_chat_msg &message) {
  if (kind == COMMON_CHAT_FORMAT_PEG_GEMMA4) {
    return std::make_unique<common_chat_peg_gemma4_mapper>(message);
  }
  if (kind == COMMON_CHAT_FORMAT_PEG_MINIMAX_M3) {
    return std::make_unique<common_chat_peg_minimax_m3_mapper>(message);
  }
  return std::make_unique<common_chat_peg_mapper>(message);
}

// What ends the text below `root`: the strings it runs up to. Text that is matched by anything else
// (JSON, single characters) is not understood here.
void add_boundaries(const common_peg_arena &arena, common_peg_parser_id root, Boundaries &out) {
  walk(arena, root, [&](common_peg_parser_id, const common_peg_parser_variant &node) {
    if (const auto *until = std::get_if<common_peg_until_parser>(&node)) {
      out.words.insert(out.words.end(), until->delimiters.begin(), until->delimiters.end());
    } else if (const auto *literal = std::get_if<common_peg_literal_parser>(&node)) {
      out.words.push_back(literal->literal);
    } else if (const auto *ac = std::get_if<common_peg_ac_parser>(&node)) {
      out.words.insert(out.words.end(), ac->delimiters.begin(), ac->delimiters.end());
    } else if (is_character_parser(node)) {
      out.known = false;
    }
  });
}

} // namespace

std::size_t Boundaries::find(std::string_view text, std::size_t from) const {
  std::size_t first = std::string_view::npos;
  for (const std::string &word : words) {
    first = std::min(first, text.find(word, from));
  }
  return first;
}

std::size_t Boundaries::n_held(std::string_view text) const {
  std::size_t n_held = 0;
  for (const std::string &word : words) {
    for (std::size_t n = std::min(text.size(), word.size() - 1); n > n_held; --n) {
      if (text.ends_with(std::string_view(word).substr(0, n))) {
        n_held = n;
      }
    }
  }
  return n_held;
}

OutputFormat::OutputFormat(const common_chat_params &params, std::vector<std::string> tool_names)
    : kind_(params.format), prefix_(params.generation_prompt), arena_(params.parser),
      tool_names_(std::move(tool_names)), thinking_ends_(params.thinking_end_tags) {
  for (common_peg_parser_id id = 0; id < arena_.size(); ++id) {
    const auto *tag = std::get_if<common_peg_tag_parser>(&arena_.get(id));
    if (tag == nullptr) {
      continue;
    }
    if (tag->tag == common_chat_peg_builder::CONTENT) {
      add_boundaries(arena_, tag->child, content_);
    } else {
      has_structure_ = true;
    }
    if (tag->tag == common_chat_peg_builder::REASONING) {
      add_boundaries(arena_, tag->child, reasoning_);
    }
  }
  const auto is_empty = [](const std::string &word) { return word.empty(); };
  std::erase_if(content_.words, is_empty);
  std::erase_if(reasoning_.words, is_empty);
  has_structure_ = has_structure_ || !content_.words.empty() || !content_.known;
}

std::optional<OutputFormat::Parsed> OutputFormat::parse(std::string_view text) const {
  common_peg_parse_context context(prefix_ + std::string(text), COMMON_PEG_PARSE_FLAG_LENIENT);
  try {
    const common_peg_parse_result result = arena_.parse(context);
    if (result.fail()) {
      return std::nullopt;
    }
    Parsed parsed;
    parsed.status = result.success() ? Status::kComplete : Status::kOpen;
    make_mapper(kind_, parsed.message)->from_ast(context.ast, result);
    return parsed;
  } catch (const std::exception &) {
    return std::nullopt; // a value that upstream cannot turn into JSON
  }
}

bool OutputFormat::may_grow(std::string_view tool_name) const {
  return std::any_of(tool_names_.begin(), tool_names_.end(), [&](const std::string &name) {
    return name.size() > tool_name.size() && name.starts_with(tool_name);
  });
}

} // namespace llamabox
