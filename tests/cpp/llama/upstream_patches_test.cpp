// What the patches of third_party/ bring; without them these cases hang, overflow the stack or eat
// the memory. The first patch is a matter of speed: equality_test shows that texts stay the same.
#include "temp_model.h"
#include "tiny_model.h"

#include "llama-grammar.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

using namespace llamabox;

namespace {

std::string repeat(const std::string &text, std::size_t n) {
  std::string all;
  for (std::size_t i = 0; i < n; ++i) {
    all += text;
  }
  return all;
}

} // namespace

TEST_CASE("a template that takes too much is refused like one that fails") {
  for (const std::string source :
       {"{% for i in range(1000000000) %}{% endfor %}",
        "{% for i in range(2, 9223372036854775807, 4611686018427387904) %}{% endfor %}",
        "{% set r = range(9999) %}{% for i in r %}{% for j in r %}{% for k in r %}"
        "{% endfor %}{% endfor %}{% endfor %}",
        "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
        "{% set n = namespace(s='12345678') %}{% for i in range(40) %}"
        "{% set n.s = n.s + n.s %}{% endfor %}{{ n.s }}",
        "{% set n = namespace(a=[1, 2]) %}{% for i in range(40) %}"
        "{% set n.a = n.a + n.a %}{% endfor %}"}) {
    CAPTURE(source);
    std::string gguf = bytes_of(model_path("demo"));
    set_template(gguf, source);
    const TempFile file(gguf);
    LlamaParams params = small_params("demo");
    params.model.model_path = file.path();
    const auto models = load_models(params);
    const ChatPrompt chat = {{{"user", "Hello!"}}, true};
    const Error error = error_of([&] { models->encoder->encode(chat); });
    CHECK(error.code() == ErrorCode::kInvalidArgument);
    const std::string reason = error.what();
    CHECK(reason.find("too l") != std::string::npos); // "too large", "too long"
  }
}

TEST_CASE("a grammar whose groups nest too deeply is refused with a reason") {
  llama_grammar_parser deep;
  CHECK_FALSE(deep.parse(("root ::= " + repeat("(", 60000)).c_str()));
  CHECK(deep.error == "groups nest too deeply");

  llama_grammar_parser wide; // groups that close again do not count
  CHECK(wide.parse(("root ::= " + repeat("(\"a\" (\"b\"))", 1000)).c_str()));
}
