// Answers under a constraint, behind thinking blocks that are free.
#include "engine/free_thinking.h"

#include "engine/thinking_budget.h"
#include "rig.h"
#include "speaker.h"

#include <doctest/doctest.h>

using namespace llamabox;

namespace {

ThinkingMarks marks(bool is_open = false) {
  return {"#", {"</t>", "<end>"}, {'<', '/', 't', '>'}, is_open, true, {'#'}};
}

struct Heard {
  std::string bound;      // accepted by the constrained sampler
  std::string remembered; // by it
};

// What comes out of `n` tokens where the model wants to say `text` while it is free, and digits
// where it is not.
std::string said(const std::string &text, bool is_open, std::size_t n, std::int32_t n_budget = -1,
                 Heard *heard = nullptr) {
  Rig rig;
  Heard own;
  Heard &to = heard != nullptr ? *heard : own;
  const Vocab &vocab = *rig.models().vocab;
  std::unique_ptr<Sampler> sampler = std::make_unique<FreeThinkingSampler>(
      std::make_unique<Speaker>(text),
      std::make_unique<Speaker>("0123456789", &to.bound, &to.remembered),
      ThinkingBlock(vocab, marks(is_open)));
  if (n_budget >= 0) {
    sampler = std::make_unique<BudgetedSampler>(std::move(sampler),
                                                ThinkingBlock(vocab, marks(is_open)), n_budget);
  }
  std::string out;
  for (std::size_t i = 0; i < n; ++i) {
    const Token token = sampler->sample({});
    sampler->accept(token);
    out += static_cast<char>(token);
  }
  return out;
}

} // namespace

TEST_CASE("the constraint holds from the block's end on") {
  Heard heard;
  CHECK(said("#well, {}</t>prose", false, 17, -1, &heard) == "#well, {}</t>0123");
  CHECK(heard.bound == "0123");
  CHECK(heard.remembered == "#well, {}</t>");
  CHECK(said("#so<end>prose", false, 10) == "#so<end>01");
}

TEST_CASE("the constraint holds from the beginning where the model does not think") {
  Heard heard;
  CHECK(said("prose #", false, 5, -1, &heard) == "01234");
  CHECK(heard.bound == "01234");
  CHECK(heard.remembered.empty());
}

TEST_CASE("a block that the prompt began is free from the first token") {
  CHECK(said("hm</t>prose", true, 9) == "hm</t>012");
}

TEST_CASE("a budget ends the block, and then the constraint holds") {
  CHECK(said("#abcdefgh", false, 10, 3) == "#abc</t>01");
  CHECK(said("abcdefgh", true, 9, 3) == "abc</t>01");
  CHECK(said("abcdefgh", true, 6, 0) == "</t>01");
  CHECK(said("prose", false, 3, 0) == "012");
}
