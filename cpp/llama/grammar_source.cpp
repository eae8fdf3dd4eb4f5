#include "llama/grammar_source.h"

#include "base/error.h"
#include "guard/grammar_guard.h"

#include "json-schema-to-grammar.h"

#include <algorithm>
#include <exception>
#include <optional>

namespace llamabox {
namespace {

constexpr std::size_t kMaxKeptBytes = 8 * 1024 * 1024;
constexpr std::size_t kMaxSchemaBytes = 256 * 1024;

[[noreturn]] void refuse_schema(const std::string &problem) {
  throw Error(ErrorCode::kInvalidArgument, "json_schema " + problem, "json_schema");
}

// Upstream lets every string pass where it cannot express a pattern, and says so on stderr only.
void check_pattern(const common_json &pattern) {
  const common_json one = {{"type", "string"}, {"pattern", pattern}};
  if (json_schema_to_grammar(one).find("root ::= string\n") != std::string::npos) {
    refuse_schema("has the pattern " + pattern.dump() +
                  ", which cannot be enforced; it must begin with ^ and end with $, and use"
                  " groups, sets and repetitions only");
  }
}

void check_patterns(const common_json &node) {
  if (node.is_object()) {
    for (const auto &[key, value] : node.items()) {
      if (key == "pattern" && value.is_string()) {
        check_pattern(value);
      } else {
        check_patterns(value);
      }
    }
  } else if (node.is_array()) {
    for (const common_json &value : node) {
      check_patterns(value);
    }
  }
}

std::string convert(const std::string &schema) {
  try {
    const common_json parsed = common_json::parse(schema);
    if (!parsed.is_object()) {
      refuse_schema("must be an object");
    }
    check_patterns(parsed);
    return json_schema_to_grammar(parsed);
  } catch (const Error &) {
    throw;
  } catch (const std::exception &error) {
    refuse_schema(std::string("is refused: ") + error.what());
  }
}

} // namespace

std::string schema_grammar(const std::string &schema) {
  if (schema.size() > kMaxSchemaBytes) {
    refuse_schema("has " + std::to_string(schema.size()) + " bytes; it may have " +
                  std::to_string(kMaxSchemaBytes));
  }
  std::string grammar = convert(schema);
  try {
    check_grammar(grammar, kGeneratedGrammar);
  } catch (const Error &error) {
    refuse_schema(std::string("is too large: its ") + error.what());
  }
  return grammar;
}

Grammar GrammarSource::of(const SamplingParams &params) {
  if (params.json_schema.empty()) {
    if (!params.grammar.empty()) {
      check_grammar(params.grammar.text,
                    params.grammar.text_only ? GrammarLimits{} : kGeneratedGrammar);
    }
    return params.grammar;
  }
  if (!params.grammar.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "json_schema and grammar exclude each other",
                "json_schema");
  }
  Grammar grammar;
  grammar.text = grammar_of(params.json_schema);
  grammar.text_only = true;
  return grammar;
}

std::string GrammarSource::grammar_of(const std::string &schema) {
  {
    const std::lock_guard lock(mutex_);
    const auto found =
        std::ranges::find_if(recent_, [&](const auto &e) { return e.first == schema; });
    if (found != recent_.end()) {
      recent_.splice(recent_.begin(), recent_, found);
      return found->second;
    }
  }
  std::string grammar = schema_grammar(schema);
  const std::lock_guard lock(mutex_);
  recent_.emplace_front(schema, grammar);
  n_bytes_ += schema.size() + grammar.size();
  while (n_bytes_ > kMaxKeptBytes) {
    n_bytes_ -= recent_.back().first.size() + recent_.back().second.size();
    recent_.pop_back();
  }
  return grammar;
}

} // namespace llamabox
