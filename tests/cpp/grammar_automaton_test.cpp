// Grammars made by hand, over vocabularies made by hand: which tokens may come next is checked
// against all texts of the grammar, and shared between threads.
#include "base/error.h"
#include "grammar/compiled_grammar.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

using namespace llamabox;

namespace {

constexpr Token kEnd = 0;
constexpr Token kMark = 1; // a control token with a text

// Single bytes that texts use, and longer pieces with common beginnings; some are cut in the middle
// of a character, some are not UTF-8, one has a NUL.
const std::vector<std::string> kPieces = {
    "<end>", "<mark>", "a", "b",    "c",    "ab",       "abc",
    "\"",    "{",      "}", "{\"",  "\":",  ":",        "1",
    "12",    ",",      "é", "\xC3", "\xA9", "\xE6\xBC", "\xA2",
    "\xC3(", "\xFF",   "",  "x",    "xx",   "xxxx",     std::string("a\0b", 3)};

std::shared_ptr<const TokenTrie> make_trie() {
  std::vector<std::string_view> pieces(kPieces.begin(), kPieces.end());
  std::vector<TokenUse> uses(kPieces.size(), TokenUse::kText);
  uses[kEnd] = TokenUse::kEnd;
  uses[kMark] = TokenUse::kControl;
  return std::make_shared<TokenTrie>(pieces, uses);
}

Token token_of(const std::string &piece) {
  return static_cast<Token>(std::ranges::find(kPieces, piece) - kPieces.begin());
}

CharSet chars(std::uint32_t low, std::uint32_t high, bool is_negated = false) {
  return {{{low, high}}, is_negated};
}

void add_text(RuleBuilder &builder, const std::u32string &text) {
  for (const char32_t c : text) {
    builder.add(chars(c, c));
  }
}

using Rules = std::shared_ptr<const GrammarRules>;

// One alternative for each text.
Rules texts(const std::vector<std::u32string> &all) {
  RuleBuilder builder;
  builder.begin_rule();
  for (const std::u32string &text : all) {
    builder.begin_alternative();
    add_text(builder, text);
    builder.end_alternative();
  }
  return std::make_shared<GrammarRules>(builder.take(0));
}

// value ::= "1" | "{" ("\"" letter* "\":" value)? "}"; letter ::= [^"]
Rules nested() {
  RuleBuilder builder;
  builder.begin_rule(); // 0: value
  builder.begin_alternative();
  add_text(builder, U"1");
  builder.end_alternative();
  builder.begin_alternative();
  add_text(builder, U"{");
  builder.add(SymbolKind::kRule, 1);
  add_text(builder, U"}");
  builder.end_alternative();
  builder.begin_rule(); // 1: member, or nothing
  builder.begin_alternative();
  add_text(builder, U"\"");
  builder.add(SymbolKind::kRule, 2);
  add_text(builder, U"\":");
  builder.add(SymbolKind::kRule, 0);
  builder.end_alternative();
  builder.begin_alternative();
  builder.end_alternative();
  builder.begin_rule(); // 2: letters
  builder.begin_alternative();
  builder.add(chars('"', '"', true));
  builder.add(SymbolKind::kRule, 2);
  builder.end_alternative();
  builder.begin_alternative();
  builder.end_alternative();
  return std::make_shared<GrammarRules>(builder.take(0));
}

std::set<std::string> allowed(const CompiledGrammar &grammar,
                              const CompiledGrammar::Cursor &cursor) {
  std::set<std::string> out;
  const auto mask = grammar.mask(cursor);
  for (std::size_t i = 0; i < kPieces.size(); ++i) {
    const auto token = static_cast<Token>(i);
    CHECK(mask->test(token) == grammar.allows(cursor, token));
    if (mask->test(token)) {
      out.insert(kPieces[i]);
    }
  }
  return out;
}

std::set<std::string> after(const Rules &rules, const std::vector<std::string> &pieces,
                            bool text_only = true) {
  CompiledGrammar grammar({rules, make_trie(), text_only});
  CompiledGrammar::Cursor cursor = grammar.start();
  for (const std::string &piece : pieces) {
    REQUIRE(grammar.accept(cursor, token_of(piece), piece));
  }
  return allowed(grammar, cursor);
}

using Pieces = std::set<std::string>;

// A walk of allowed tokens; what was allowed at each place.
std::vector<Pieces> walk(CompiledGrammar &grammar, std::uint32_t seed, int n) {
  std::mt19937 random(seed);
  CompiledGrammar::Cursor cursor = grammar.start();
  std::vector<Pieces> seen;
  for (int i = 0; i < n; ++i) {
    const auto mask = grammar.mask(cursor);
    std::vector<Token> tokens;
    Pieces &here = seen.emplace_back();
    for (std::size_t at = 0; at < kPieces.size(); ++at) {
      if (mask->test(static_cast<Token>(at))) {
        here.insert(kPieces[at]);
        tokens.push_back(static_cast<Token>(at));
      }
    }
    const Token token = tokens[random() % tokens.size()];
    if (token == kEnd) {
      cursor = grammar.start();
    } else {
      REQUIRE(grammar.accept(cursor, token, kPieces[static_cast<std::size_t>(token)]));
    }
  }
  return seen;
}

} // namespace

TEST_CASE("tokens that begin a rest of a text may come next, and the end after a whole one") {
  const Rules rules = texts({U"abc", U"ab", U"x", U"aé"});
  CHECK(after(rules, {}) == Pieces{"a", "ab", "abc", "x"});
  CHECK(after(rules, {"a"}) == Pieces{"b", "é", "\xC3"});
  CHECK(after(rules, {"ab"}) == Pieces{"c", "<end>"});
  CHECK(after(rules, {"a", "b"}) == Pieces{"c", "<end>"});
  CHECK(after(rules, {"x"}) == Pieces{"<end>"});
}

TEST_CASE("a character may be cut anywhere, and must be one in the end") {
  const Rules rules = texts({U"é漢a"});
  CHECK(after(rules, {}) == Pieces{"é", "\xC3"});
  CHECK(after(rules, {"\xC3"}) == Pieces{"\xA9"});
  CHECK(after(rules, {"\xC3", "\xA9"}) == Pieces{"\xE6\xBC"});
  CHECK(after(rules, {"é", "\xE6\xBC"}) == Pieces{"\xA2"});
  CHECK(after(rules, {"é", "\xE6\xBC", "\xA2"}) == Pieces{"a"});
  Utf8Part part;
  for (const char bad : {'\x80', '\xC0', '\xC1', '\xF5', '\xFF'}) {
    part = {};
    CHECK(!part.take(static_cast<std::uint8_t>(bad)));
  }
  for (const std::string bad : {"\xE0\x80", "\xED\xA0", "\xF0\x80", "\xF4\x90", "\xC3("}) {
    part = {};
    CHECK(part.take(static_cast<std::uint8_t>(bad[0])));
    CHECK(!part.take(static_cast<std::uint8_t>(bad[1])));
  }
}

TEST_CASE("a character that must not be one of some may begin as they do") {
  RuleBuilder builder;
  builder.begin_rule();
  builder.begin_alternative();
  builder.add(chars(U'é', U'é', true));
  builder.end_alternative();
  const Rules rules = std::make_shared<GrammarRules>(builder.take(0));
  const Pieces first = after(rules, {});
  CHECK(first.contains("\xC3"));
  CHECK(!first.contains("é"));
  CHECK(!after(rules, {"\xC3"}).contains("\xA9"));
  CHECK(after(rules, {"\xC3"}).contains("\xA2"));
}

TEST_CASE("rules within rules are followed to any depth") {
  std::vector<std::string> pieces;
  for (int depth = 0; depth < 40; ++depth) {
    CHECK(after(nested(), pieces) == Pieces{"1", "{", "{\""});
    pieces.insert(pieces.end(), {"{\"", "xx", "\":"});
  }
  pieces.push_back("1");
  for (int depth = 0; depth < 40; ++depth) {
    CHECK(after(nested(), pieces) == Pieces{"}"});
    pieces.emplace_back("}");
  }
  CHECK(after(nested(), pieces) == Pieces{"<end>"});
}

TEST_CASE("control tokens are text only where the grammar may be about them") {
  const Rules rules = texts({U"<mark>"});
  CHECK(after(rules, {}, false) == Pieces{"<mark>"});
  CHECK(after(rules, {}, true).empty());
}

TEST_CASE("tokens can be named, or excluded") {
  const Token mark = token_of("x");
  RuleBuilder builder;
  builder.begin_rule();
  builder.begin_alternative();
  builder.add(SymbolKind::kToken, static_cast<std::uint32_t>(mark));
  builder.add(SymbolKind::kTokenNot, static_cast<std::uint32_t>(mark));
  add_text(builder, U"a");
  builder.end_alternative();
  builder.begin_alternative();
  add_text(builder, U"xa");
  builder.end_alternative();
  const Rules rules = std::make_shared<GrammarRules>(builder.take(0));
  CHECK(after(rules, {}) == Pieces{"x"});
  const Pieces second = after(rules, {"x"});
  CHECK(second.contains("a"));
  CHECK(second.contains("xxxx"));
  CHECK(!second.contains("x"));
  CHECK(!second.contains("\xC3"));
  CHECK(after(rules, {"x", "b"}) == Pieces{"a"});
  CHECK(after(rules, {"x", "a"}) == Pieces{"a", "<end>"});
}

TEST_CASE("what may not come next changes nothing") {
  CompiledGrammar grammar({texts({U"ab"}), make_trie(), true});
  CompiledGrammar::Cursor cursor = grammar.start();
  CHECK(!grammar.accept(cursor, token_of("b"), "b"));
  CHECK(!grammar.accept(cursor, token_of("\xFF"), "\xFF"));
  CHECK(allowed(grammar, cursor) == Pieces{"a", "ab"});
  std::vector<Token> tokens = {token_of("b"), token_of("ab"), token_of("c"), token_of("a")};
  grammar.keep_allowed(cursor, tokens, 1);
  CHECK(tokens == std::vector<Token>{token_of("ab")});
  CHECK(grammar.known_mask(cursor) == grammar.mask(cursor));
}

TEST_CASE("more readings than are followed are an error of whoever chose the token") {
  RuleBuilder builder; // root ::= "x" root "a" | "x" root "b" | "c"
  builder.begin_rule();
  for (const char32_t last : {U'a', U'b'}) {
    builder.begin_alternative();
    add_text(builder, U"x");
    builder.add(SymbolKind::kRule, 0);
    add_text(builder, std::u32string(1, last));
    builder.end_alternative();
  }
  builder.begin_alternative();
  add_text(builder, U"c");
  builder.end_alternative();
  CompiledGrammar grammar({std::make_shared<GrammarRules>(builder.take(0)), make_trie(), true});
  CompiledGrammar::Cursor cursor = grammar.start();
  std::string problem;
  for (int i = 0; i < 64 && problem.empty(); ++i) {
    CHECK(grammar.mask(cursor)->test(token_of("xxxx")));
    try {
      grammar.accept(cursor, token_of("x"), "x");
    } catch (const Error &error) {
      problem = error.what();
    }
  }
  CHECK(problem.find("ambiguous") != std::string::npos);
}

TEST_CASE("what is forgotten is found out again") {
  CompiledGrammar kept({nested(), make_trie(), true});
  CompiledGrammar forgetful({nested(), make_trie(), true}, 4096);
  for (std::uint32_t seed = 0; seed < 8; ++seed) {
    CHECK(walk(kept, seed, 300) == walk(forgetful, seed, 300));
  }
}

TEST_CASE("many threads follow one grammar") {
  CompiledGrammar alone({nested(), make_trie(), true});
  CompiledGrammar shared({nested(), make_trie(), true}, 8192);
  std::vector<std::vector<Pieces>> seen(8);
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < seen.size(); ++i) {
    threads.emplace_back([&, i] { seen[i] = walk(shared, i, 200); });
  }
  for (std::thread &thread : threads) {
    thread.join();
  }
  for (std::uint32_t i = 0; i < seen.size(); ++i) {
    CHECK(seen[i] == walk(alone, i, 200));
  }
}
