#include "engine/output.h"

#include <doctest/doctest.h>

using namespace llamabox;

TEST_CASE("a stop string is found whatever way tokens cut it, and nothing of it shows") {
  const std::string text = "one two STOP three";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    TextAssembler assembler({"STOP", "never"});
    std::string shown;
    bool stopped = false;
    for (std::size_t at = 0; at < text.size() && !stopped; at += piece) {
      stopped = assembler.feed(text.substr(at, piece));
      shown += stopped ? "" : assembler.take();
      CHECK(shown.find('S') == std::string::npos);
    }
    shown += assembler.finish();
    CHECK(stopped);
    CHECK(shown == "one two ");
  }
}

TEST_CASE("the earliest of several stop strings wins") {
  TextAssembler assembler({"later", "now"});
  CHECK(assembler.feed("go now or later"));
  CHECK(assembler.finish() == "go ");
}

TEST_CASE("what only looked like a stop string is shown") {
  TextAssembler assembler({"ABC"});
  CHECK_FALSE(assembler.feed("xAB"));
  CHECK(assembler.take() == "x");
  CHECK_FALSE(assembler.feed("D"));
  CHECK(assembler.take() == "ABD");
  CHECK_FALSE(assembler.feed("A"));
  CHECK(assembler.take().empty());
  CHECK(assembler.finish() == "A");
}

TEST_CASE("a stop string that overlaps itself is found") {
  TextAssembler assembler({"aab"});
  CHECK_FALSE(assembler.feed("aa"));
  CHECK(assembler.take().empty());
  CHECK(assembler.feed("ab"));
  CHECK(assembler.finish() == "a");
}

TEST_CASE("characters come out whole") {
  const std::string text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z";
  TextAssembler assembler({});
  std::string shown;
  for (const char byte : text) {
    assembler.feed(std::string(1, byte));
    const std::string now = assembler.take();
    CHECK(valid_utf8(now) == now);
    shown += now;
  }
  CHECK(shown + assembler.finish() == text);
}

TEST_CASE("bytes that never become a character are replaced") {
  TextAssembler assembler({});
  assembler.feed("\xF0\x9F");
  CHECK(assembler.take().empty());
  CHECK(assembler.finish() == "\xEF\xBF\xBD");
  CHECK(valid_utf8("\xFF") == "\xEF\xBF\xBD");
  CHECK(valid_utf8("\xC0\x80") == "\xEF\xBF\xBD\xEF\xBF\xBD"); // overlong
  CHECK(valid_utf8("\xED\xA0\x80").size() == 9);               // surrogate
  CHECK(valid_utf8("\xF4\x90\x80\x80").size() == 12);          // beyond the last character
  CHECK(valid_utf8("ok \xE2\x82\xAC") == "ok \xE2\x82\xAC");
}

TEST_CASE("incomplete ends are recognised") {
  CHECK(n_incomplete_utf8("abc") == 0);
  CHECK(n_incomplete_utf8("\xE2\x82\xAC") == 0);
  CHECK(n_incomplete_utf8("\xE2\x82") == 2);
  CHECK(n_incomplete_utf8("x\xF0\x9F\x98") == 3);
  CHECK(n_incomplete_utf8("\x80\x80") == 0); // no beginning: malformed, not incomplete
  CHECK(n_incomplete_utf8("\xE0\x80") == 0); // overlong already
}
