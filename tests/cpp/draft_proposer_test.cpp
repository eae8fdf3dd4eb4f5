#include "fake_drafter.h"
#include "rig.h"
#include "spec/draft_choice.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <string>

using namespace llamabox;

namespace {

std::vector<Token> tokens_of(const std::string &text) { return {text.begin(), text.end()}; }

std::string drafted(DraftProposer &proposer, SeqId seq, std::uint64_t stream,
                    const std::string &text, std::int32_t n) {
  const std::vector<Token> tokens = tokens_of(text);
  DraftWish wish;
  wish.seq = seq;
  wish.stream = stream;
  wish.tokens = tokens;
  wish.n_max = n;
  const Draft draft = proposer.propose(std::span(&wish, 1)).at(0);
  return {draft.tokens.begin(), draft.tokens.end()};
}

} // namespace

TEST_CASE("a draft is what the draft model itself would say") {
  FakeDrafter drafter = make_fake_drafter({});
  CHECK(drafted(*drafter.proposer, 0, 1, "hello", 6) == alone("hello", 6));
  // The text went another way than the draft.
  CHECK(drafted(*drafter.proposer, 0, 1, "hello!", 6) == alone("hello!", 6));
  CHECK(drafted(*drafter.proposer, 0, 2, "help", 6) == alone("help", 6));
  CHECK(drafted(*drafter.proposer, 0, 2, "help", 1) == alone("help", 1));
}

TEST_CASE("only what is new is run") {
  FakeDrafter drafter = make_fake_drafter({});
  const std::string text = "a long enough text to be worth it";
  drafter.runner->keep_log = true;
  drafted(*drafter.proposer, 0, 1, text, 1);
  CHECK(drafter.runner->log.back().size() == text.size());
  drafted(*drafter.proposer, 0, 1, text + "ab", 1);
  CHECK(drafter.runner->log.back().size() == 2);
  // Another choice of the same prompt takes over what the first has.
  drafted(*drafter.proposer, 1, 2, text + "ac", 1);
  CHECK(drafter.runner->log.back().size() == 1);
}

TEST_CASE("how much has to be run first is known without running it") {
  FakeDrafter drafter = make_fake_drafter({});
  const std::vector<Token> tokens = tokens_of("twelve chars");
  DraftWish wish{.seq = 0, .stream = 1, .tokens = tokens, .n_max = 2};
  CHECK(drafter.proposer->n_behind(wish) == 12);
  drafted(*drafter.proposer, 0, 1, "twelve char", 2);
  CHECK(drafter.proposer->n_behind(wish) == 1); // the draft is not known to be right
  wish.stream = 2;
  CHECK(drafter.proposer->n_behind(wish) == 12);
  const std::vector<Token> media = {'a', kNoToken, 'b'};
  wish.tokens = media;
  drafter.proposer->propose(std::span(&wish, 1));
  CHECK_FALSE(drafter.proposer->n_behind(wish));
}

TEST_CASE("a draft says when its drafter became unsure") {
  const std::vector<Token> tokens = tokens_of("hello");
  DraftWish wish{.seq = 0, .stream = 1, .tokens = tokens, .n_max = 3};
  FakeDrafter unsure = make_fake_drafter({}, 0.25F); // its best has a chance of 0.23
  CHECK(unsure.proposer->propose(std::span(&wish, 1)).at(0).gave_up);
  FakeDrafter sure = make_fake_drafter({});
  CHECK_FALSE(sure.proposer->propose(std::span(&wish, 1)).at(0).gave_up);
}

TEST_CASE("all sequences of a step share the runs") {
  FakeDrafter drafter = make_fake_drafter({});
  const std::vector<Token> one = tokens_of("one");
  const std::vector<Token> two = tokens_of("number two");
  std::vector<DraftWish> wishes(2);
  wishes[0] = {.seq = 0, .stream = 1, .tokens = one, .n_max = 3};
  wishes[1] = {.seq = 2, .stream = 2, .tokens = two, .n_max = 5};
  drafter.runner->keep_log = true;
  const std::vector<Draft> drafts = drafter.proposer->propose(wishes);
  CHECK(std::string(drafts[0].tokens.begin(), drafts[0].tokens.end()) == alone("one", 3));
  CHECK(std::string(drafts[1].tokens.begin(), drafts[1].tokens.end()) == alone("number two", 5));
  CHECK(drafter.runner->log.size() == 5);
}

TEST_CASE("a long prompt is read over several steps, the others draft meanwhile") {
  FakeModelParams model{.n_batch = 16};
  FakeDrafter drafter = make_fake_drafter(model);
  const std::string text(40, 'x');
  CHECK(drafted(*drafter.proposer, 0, 1, text, 2).empty());
  CHECK(drafted(*drafter.proposer, 1, 2, "ab", 2) == alone("ab", 2));
  CHECK(drafted(*drafter.proposer, 0, 1, text, 2).empty());
  CHECK(drafted(*drafter.proposer, 0, 1, text, 2) == alone(text, 2));
}

TEST_CASE("without cells the least used gives way, and what can never fit has no drafts") {
  FakeModelParams model{.n_ctx = 64, .n_cells = 48};
  FakeDrafter drafter = make_fake_drafter(model);
  CHECK(drafted(*drafter.proposer, 0, 1, std::string(30, 'a'), 2).size() == 2);
  CHECK(drafted(*drafter.proposer, 1, 2, std::string(30, 'b'), 2) ==
        alone(std::string(30, 'b'), 2));
  CHECK(drafter.kv->length(0) == 0);
  CHECK(drafted(*drafter.proposer, 2, 3, std::string(60, 'c'), 2).empty());
  CHECK(drafted(*drafter.proposer, 2, 3, std::string(61, 'c'), 2).empty());
  CHECK(drafted(*drafter.proposer, 1, 2, std::string(31, 'b'), 2) ==
        alone(std::string(31, 'b'), 2));
}

TEST_CASE("a failed run costs the draft and nothing else") {
  FakeDrafter drafter = make_fake_drafter({});
  drafter.runner->next_status.push_back(DecodeStatus::kFailed);
  CHECK(drafted(*drafter.proposer, 0, 1, "hello", 3).empty());
  CHECK(drafted(*drafter.proposer, 0, 1, "hello", 3) == alone("hello", 3));
}

TEST_CASE("a draft ends with the text, at the end of the context and before what is unlikely") {
  FakeModelParams model{.n_ctx = 8, .fixed_text = "abc"};
  FakeDrafter drafter = make_fake_drafter(model);
  CHECK(drafted(*drafter.proposer, 0, 1, "012345", 6).size() == 2);
  CHECK(drafted(*drafter.proposer, 0, 2, "01234567", 6).empty());
  // The fake's logits are 1 and 0: its best token has a chance of 0.23 among ten.
  CHECK(drafted(*make_fake_drafter({}, 0.25F).proposer, 0, 1, "hello", 3).empty());
  CHECK(drafted(*make_fake_drafter({}, 0.2F).proposer, 0, 1, "hello", 3).size() == 3);
  FakeDrafter ending = make_fake_drafter({.end_one_in = 1});
  const std::vector<Token> text = tokens_of("x");
  DraftWish wish{.seq = 0, .stream = 1, .tokens = text, .n_max = 5};
  CHECK(ending.proposer->propose(std::span(&wish, 1)).at(0).tokens == std::vector<Token>{kFakeEnd});
}

TEST_CASE("a sequence with media is not drafted for") {
  FakeDrafter drafter = make_fake_drafter({});
  const std::vector<Token> tokens = {'a', kNoToken, 'b'};
  DraftWish wish{.seq = 0, .stream = 1, .tokens = tokens, .n_max = 5};
  CHECK(drafter.proposer->propose(std::span(&wish, 1)).at(0).tokens.empty());
}

namespace {

struct NoStates final : StateSource {
  std::size_t width() const override { return 2; }
  void read(std::int32_t first, std::int32_t n, std::vector<float> &into) override {
    into.insert(into.end(), 2 * static_cast<std::size_t>(n), static_cast<float>(first));
  }
};

// The target ran these tokens of slot 0's text.
void ran(DraftProposer &proposer, std::uint64_t stream, Pos begin, std::int32_t n) {
  const RanRows rows{.stream = stream, .begin = begin, .first_row = 0, .n_rows = n};
  proposer.note(std::span(&rows, 1));
}

} // namespace

TEST_CASE("a head drafts where the target's states reach, and reads what was guessed again") {
  FakeDrafter drafter = make_fake_drafter({}, 0, std::make_unique<NoStates>());
  DraftProposer &proposer = *drafter.proposer;
  drafter.runner->keep_log = true;
  CHECK(proposer.reads_states());
  ran(proposer, 1, 0, 4);
  CHECK(drafted(proposer, 0, 1, "hello", 3) == alone("hello", 3));
  CHECK(drafter.runner->log.size() == 3);
  CHECK(drafter.runner->log.front().size() == 5);
  // Two guesses came true and a token followed; the target has run what was last before, and them.
  const std::string text = "hello" + alone("hello", 3);
  ran(proposer, 1, 4, 4);
  CHECK(drafted(proposer, 0, 1, text, 2) == alone(text, 2));
  CHECK(drafter.runner->log[3].size() == 3);
}

TEST_CASE("a head whose states do not reach back to what it holds is off for the text") {
  FakeDrafter drafter = make_fake_drafter({}, 0, std::make_unique<NoStates>());
  DraftProposer &proposer = *drafter.proposer;
  const std::string text = "a prefix that was there, and more";
  const std::vector<Token> tokens = tokens_of(text);
  const DraftWish wish{.seq = 0, .stream = 2, .tokens = tokens, .n_max = 2};
  ran(proposer, 2, 20, 12); // the first 20 tokens were taken over
  CHECK(drafted(proposer, 0, 2, text, 2).empty());
  CHECK(proposer.n_behind(wish));
  CHECK(drafted(proposer, 0, 2, text, 2).empty());
  CHECK_FALSE(proposer.n_behind(wish));
  // Another sequence has read the prefix from states.
  ran(proposer, 3, 0, 32);
  CHECK(drafted(proposer, 0, 3, text, 2) == alone(text, 2));
  const RanRows rows{.seq = 1, .stream = 4, .begin = 20, .first_row = 0, .n_rows = 12};
  proposer.note(std::span(&rows, 1));
  CHECK(drafted(proposer, 1, 4, text, 2) == alone(text, 2));
}

TEST_CASE("what another sequence reads in the same call is there for the next") {
  FakeDrafter drafter = make_fake_drafter({}, 0, std::make_unique<NoStates>());
  const std::vector<Token> tokens = tokens_of("a prefix that both of them have got");
  const std::vector<RanRows> rows = {{.seq = 0, .stream = 1, .begin = 0, .n_rows = 34},
                                     {.seq = 1, .stream = 2, .begin = 20, .n_rows = 14}};
  drafter.proposer->note(rows);
  std::vector<DraftWish> wishes(2);
  wishes[0] = {.seq = 0, .stream = 1, .tokens = tokens, .n_max = 1};
  wishes[1] = {.seq = 1, .stream = 2, .tokens = tokens, .n_max = 1};
  CHECK(drafter.proposer->propose(wishes)[1].tokens.empty());
  CHECK(drafter.proposer->propose(wishes)[1].tokens.size() == 1);
}

TEST_CASE("chances are those of the few likeliest tokens at the temperature") {
  std::vector<float> logits(1000, -50.0F);
  logits[7] = std::log(0.6F);
  logits[3] = std::log(0.3F);
  logits[9] = std::log(0.1F);
  const auto plain = draft_chances(logits, 1);
  REQUIRE(plain.size() == kDraftCandidates);
  CHECK(plain[0].token == 7);
  CHECK(plain[0].probability == doctest::Approx(0.6));
  CHECK(plain[2].token == 9);
  CHECK(draft_chances(logits, 0)[0].probability == doctest::Approx(0.6));
  CHECK(draft_chances(logits, 0.5F)[0].probability == doctest::Approx(0.36 / 0.46));
  CHECK(draw(plain, 0.0) == 7);
  CHECK(draw(plain, 0.61) == 3);
  CHECK(draw(plain, 0.95) == 9);
}

TEST_CASE("draws by chance come as often as they say") {
  FakeDrafter drafter = make_fake_drafter({.n_ctx = 4096, .n_cells = 1 << 16});
  const std::vector<Token> tokens = tokens_of("hello");
  std::map<Token, int> n_drawn;
  for (int i = 0; i < 2000; ++i) {
    DraftWish wish{.seq = 0, .stream = 1, .tokens = tokens, .n_max = 1, .temperature = 1};
    const Draft draft = drafter.proposer->propose(std::span(&wish, 1)).at(0);
    REQUIRE(draft.chances.at(0).size() == kDraftCandidates);
    ++n_drawn[draft.tokens.at(0)];
  }
  const Token best = alone("hello", 1).at(0);
  CHECK(n_drawn[best] / 2000.0 == doctest::Approx(std::exp(1) / (std::exp(1) + 9)).epsilon(0.1));
  CHECK(n_drawn.size() == kDraftCandidates);
}
