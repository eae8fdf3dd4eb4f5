// Grammars that upstream must not see, and what is said about them.
#include "guard/grammar_guard.h"

#include "base/error.h"

#include <doctest/doctest.h>

#include <string>

using namespace llamabox;

namespace {

std::string refusal(const std::string &text, const GrammarLimits &limits = {}) {
  try {
    check_grammar(text, limits);
  } catch (const Error &error) {
    CHECK(error.code() == ErrorCode::kInvalidArgument);
    CHECK(error.param() == "grammar");
    return error.what();
  }
  return "";
}

bool says(const std::string &text, const std::string &part) {
  const std::string found = refusal(text);
  CAPTURE(found);
  return found.find(part) != std::string::npos;
}

std::string repeated(const std::string &text, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) {
    out += text;
  }
  return out;
}

} // namespace

TEST_CASE("grammars as people write them pass") {
  CHECK(refusal("root ::= \"yes\" | \"no\"") == "");
  CHECK(refusal("# a comment\n\nroot ::= item+ # more\nitem ::= \"- \" [^\\n\\x00-\\x1f]{1,80} "
                "\"\\n\"\n") == "");
  CHECK(refusal("root ::= (\n  \"a\" |\n  \"b\"\n)* .?\r\n") == "");
  CHECK(refusal("root ::= <[12]> !<[13]> <think> \"\\u00e9\\U0001f600\"") == "");
  CHECK(refusal("root ::= value\nvalue ::= object | \"1\"\nobject ::= \"{\" (value (\",\" "
                "value)*)? \"}\"") == "");
  CHECK(refusal("root ::= \"a\"{3} \"b\"{0,2000} [c]{5,} \"\"") == "");
}

TEST_CASE("a mistake is named with its line") {
  CHECK(says("", "there is no rule \"root\""));
  CHECK(says("a ::= \"x\"", "there is no rule \"root\""));
  CHECK(says("root ::= \"x", "line 1: a closing \" is missing"));
  CHECK(says("root ::= [x", "a closing ] is missing"));
  CHECK(says("root ::= []", "empty"));
  CHECK(says("\n\nroot := \"x\"", "line 3: ::= is expected"));
  CHECK(says("root ::= item", "the rule \"item\" is used and not defined"));
  CHECK(says("root ::= \"a\"\nroot ::= \"b\"", "line 2: the rule \"root\" is defined twice"));
  CHECK(says("root ::= (\"a\"", "a closing ) is expected, not the end"));
  CHECK(says("root ::= \"a\")", "the end of the rule is expected"));
  CHECK(says("root ::= \"a\"{x}", "a number is expected, not \"x\""));
  CHECK(says("root ::= \"a\"{1;2}", "a closing } is expected"));
  CHECK(says("root ::= * \"a\"", "the end of the rule is expected"));
  CHECK(says("root ::= \"\\q\"", "there is no escape \\q"));
  CHECK(says("root ::= \"\\x1\"", "2 hexadecimal digits"));
  CHECK(says("root ::= <[1>", "a token's id"));
  CHECK(says("root ::= !x", "a token is written"));
  CHECK(says("root ::= \"\"*", "cannot be repeated"));
  CHECK(says("root ::= \"a\"+?", "needs parentheses"));
  CHECK(says(std::string("root ::= \"a\0\"", 13), "NUL"));
}

TEST_CASE("depth, size and repetition have limits") {
  CHECK(refusal("root ::= " + repeated("(", 128) + "\"a\"" + repeated(")", 128)) == "");
  CHECK(says("root ::= " + repeated("(", 129) + "\"a\"" + repeated(")", 129), "nested"));
  CHECK(says("root ::= " + repeated("(", 60000), "nested"));
  CHECK(says("root ::= " + repeated("\"a\" ", 20000), "bytes"));
  CHECK(says("root ::= \"a\"{2001}", "more than 2000"));
  CHECK(says("root ::= \"a\"{1,99999999999999999999}", "more than 2000"));
  CHECK(says("root ::= \"a\"{5,2}", "ends below"));
  CHECK(says("root ::= ((\"a\"{0,100}){0,100}){0,100}", "more than 2000"));
  CHECK(says("root ::= (a b){2000}\na ::= \"a\"\nb ::= \"b\"", "more than 2000"));
  CHECK(says("root ::= " + repeated("\"a\"{0,2000} ", 9), "rules, repetitions included"));
  CHECK(says("root ::= " + repeated("\"" + repeated("a", 100) + "\"{2000} ", 3), "elements"));
}

TEST_CASE("rules that begin with themselves never end, so they are refused") {
  CHECK(says("root ::= root \"a\" | \"b\"", "begins with itself"));
  CHECK(says("root ::= a\na ::= \"\" b\nb ::= \"x\"? a", "begins with itself"));
  CHECK(says("root ::= (\"a\"?)*", "may be empty"));
  CHECK(says("root ::= a* \na ::= \"x\" |", "may be empty"));
}

TEST_CASE("exponential beginnings are refused quickly") {
  std::string twice = "root ::= r0\n";
  std::string empty = "root ::= r0\n";
  std::string chain = "root ::= r0\n";
  for (int i = 0; i < 600; ++i) {
    const std::string from = "r" + std::to_string(i) + " ::= ";
    const std::string to = "r" + std::to_string(i + 1);
    twice += from + to + " \"x\" | " + to + " \"y\"\n";
    empty += from + "| " + to + " " + to + "\n";
    chain += from + to + " \"x\"\n";
  }
  const std::string last = "r600 ::= \"z\" |\n";
  CHECK(says(twice + last, "begin"));
  CHECK(says(empty + last, "begin"));
  CHECK(says(chain + "r600 ::= \"z\"\n", "begin with each other"));
}

TEST_CASE("generated grammars may repeat what may be empty") {
  const std::string text = "root ::= (call? space)+\ncall ::= \"c\"\nspace ::= | \" \"\n";
  CHECK_THROWS_AS(check_grammar(text), Error);
  CHECK_NOTHROW(check_grammar(text, kGeneratedGrammar));
}
