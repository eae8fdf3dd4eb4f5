#include "llama/answer_grammar.h"

#include <doctest/doctest.h>

using namespace llamabox;

TEST_CASE("only names of rules get the prefix") {
  CHECK(with_prefixed_rules("root ::= \"root \\\" x\" [a-z\\]root] item{1,3} # root\n"
                            "item ::= (root-1 | \"\") space? .\n",
                            "p-") == "p-root ::= \"root \\\" x\" [a-z\\]root] p-item{1,3} # root\n"
                                     "p-item ::= (p-root-1 | \"\") p-space? .\n");
}

TEST_CASE("the root gets another name wherever it stands") {
  CHECK(with_root_named("a ::= \"x\"\nroot ::= a\n", "rest") == "a ::= \"x\"\nrest ::= a\n");
  CHECK(with_root_named("root ::= a\na ::= \"x\"\n", "rest") == "rest ::= a\na ::= \"x\"\n");
}

TEST_CASE("rules of one name stay apart") {
  CHECK(call_or_answer("root ::= item\nitem ::= \"c\"\n", "root ::= item\nitem ::= \"a\"\n") ==
        "llamabox-call ::= item\nitem ::= \"c\"\n"
        "llamabox-answer-root ::= llamabox-answer-item\nllamabox-answer-item ::= \"a\"\n"
        "root ::= [ \\t\\n]{0,4} (llamabox-call | llamabox-answer-root)\n");
}
