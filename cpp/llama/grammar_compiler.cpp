#include "llama/grammar_compiler.h"

#include "base/error.h"

// The public sampler neither shares a parsed grammar nor says what it allows.
#include "llama-grammar.h"
#include "llama-vocab.h"

#include <algorithm>
#include <exception>
#include <string_view>
#include <utility>
#include <vector>

namespace llamabox {
namespace {

// Each may hold CompiledGrammar::kKeptBytes.
constexpr std::size_t kGrammarsKept = 16;

[[noreturn]] void refuse_use(const std::string &problem) {
  throw Error(ErrorCode::kInvalidArgument, "grammar " + problem, "grammar");
}

std::shared_ptr<const TokenTrie> make_trie(const llama_vocab *vocab) {
  std::vector<std::string_view> pieces;
  std::vector<TokenUse> uses;
  for (llama_token token = 0; token < llama_vocab_n_tokens(vocab); ++token) {
    pieces.emplace_back(vocab->token_to_piece(token));
    const bool is_end = llama_vocab_is_eog(vocab, token);
    const bool is_control = llama_vocab_is_control(vocab, token);
    uses.push_back(is_end ? TokenUse::kEnd : is_control ? TokenUse::kControl : TokenUse::kText);
  }
  return std::make_shared<TokenTrie>(pieces, std::move(uses));
}

// Reads one set of characters; returns the element after it.
std::size_t read_set(const llama_grammar_rule &rule, std::size_t i, CharSet &set) {
  set.is_negated = rule[i].type != LLAMA_GRETYPE_CHAR;
  do {
    const bool is_range = rule[i + 1].type == LLAMA_GRETYPE_CHAR_RNG_UPPER;
    if (rule[i].type != LLAMA_GRETYPE_CHAR_ANY) {
      set.ranges.emplace_back(rule[i].value, rule[is_range ? i + 1 : i].value);
    }
    i += is_range ? 2 : 1;
  } while (rule[i].type == LLAMA_GRETYPE_CHAR_ALT);
  return i;
}

void add_rule(const llama_grammar_rule &rule, RuleBuilder &builder) {
  builder.begin_rule();
  builder.begin_alternative();
  std::size_t i = 0;
  while (rule[i].type != LLAMA_GRETYPE_END) {
    const llama_grammar_element &element = rule[i];
    switch (element.type) {
    case LLAMA_GRETYPE_ALT:
      builder.end_alternative();
      builder.begin_alternative();
      ++i;
      break;
    case LLAMA_GRETYPE_RULE_REF:
      builder.add(SymbolKind::kRule, element.value);
      ++i;
      break;
    case LLAMA_GRETYPE_TOKEN:
    case LLAMA_GRETYPE_TOKEN_NOT: {
      const bool is_named = element.type == LLAMA_GRETYPE_TOKEN;
      builder.add(is_named ? SymbolKind::kToken : SymbolKind::kTokenNot, element.value);
      ++i;
      break;
    }
    case LLAMA_GRETYPE_CHAR:
    case LLAMA_GRETYPE_CHAR_NOT:
    case LLAMA_GRETYPE_CHAR_ANY: {
      CharSet set;
      i = read_set(rule, i, set);
      builder.add(std::move(set));
      break;
    }
    default:
      refuse_use("is read by llama.cpp in a way that is not known here");
    }
  }
  builder.end_alternative();
}

std::shared_ptr<const GrammarRules> parse(const llama_vocab *vocab, const std::string &text) {
  try {
    llama_grammar_parser parser(vocab);
    if (!parser.parse(text.c_str()) || parser.rules.empty()) {
      refuse_use("is refused by llama.cpp; <text> must be one token of the model");
    }
    RuleBuilder builder;
    for (const llama_grammar_rule &rule : parser.rules) {
      add_rule(rule, builder);
    }
    return std::make_shared<const GrammarRules>(builder.take(parser.symbol_ids.at("root")));
  } catch (const Error &) {
    throw;
  } catch (const std::exception &error) {
    refuse_use(std::string("cannot be used: ") + error.what());
  }
}

} // namespace

std::shared_ptr<CompiledGrammar> GrammarCompiler::find(const Grammar &grammar) {
  const auto found = std::ranges::find_if(recent_, [&](const Kept &kept) {
    return kept.text_only == grammar.text_only && kept.text == grammar.text;
  });
  if (found == recent_.end()) {
    return nullptr;
  }
  recent_.splice(recent_.begin(), recent_, found);
  return found->compiled;
}

std::shared_ptr<CompiledGrammar> GrammarCompiler::compile(const Grammar &grammar) {
  {
    const MutexLock lock(mutex_);
    if (auto found = find(grammar)) {
      return found;
    }
  }
  GrammarTokens tokens;
  tokens.rules = parse(vocab_, grammar.text);
  tokens.text_only = grammar.text_only;
  const MutexLock lock(mutex_);
  if (auto found = find(grammar)) { // made by another request in the meantime
    return found;
  }
  if (!trie_) {
    trie_ = make_trie(vocab_);
  }
  tokens.trie = trie_;
  auto compiled = std::make_shared<CompiledGrammar>(std::move(tokens));
  compiled->start(); // refuses what is too ambiguous from the beginning
  recent_.push_front({grammar.text, grammar.text_only, compiled});
  if (recent_.size() > kGrammarsKept) {
    recent_.pop_back();
  }
  return compiled;
}

} // namespace llamabox
