#include "spec/draft_ledger.h"

#include <doctest/doctest.h>

using namespace llamabox;

namespace {

void pass(DraftLedger &ledger, int n_steps, double ms = 1) {
  for (int i = 0; i < n_steps; ++i) {
    ledger.pass(ms);
  }
}

} // namespace

TEST_CASE("nothing is tried before a step has shown what time is worth") {
  DraftLedger ledger;
  CHECK_FALSE(ledger.can_try(0));
  ledger.pass(1);
  CHECK(ledger.can_try(1));
}

TEST_CASE("losses beyond the credit are only made up for by time") {
  DraftLedger ledger;
  ledger.pass(1);
  ledger.lose(100);
  CHECK(ledger.is_in_debt());
  pass(ledger, 10000);
  CHECK(ledger.is_in_debt());
  pass(ledger, 10000);
  CHECK_FALSE(ledger.is_in_debt());
}

TEST_CASE("gains of long ago pay for no more than a few steps") {
  DraftLedger ledger;
  ledger.pass(1);
  ledger.gain(10000);
  ledger.lose(20);
  CHECK(ledger.is_in_debt());
}

TEST_CASE("an allowance is saved up for a trial that costs more than the credit") {
  DraftLedger ledger;
  ledger.pass(1);
  CHECK_FALSE(ledger.can_try(30));
  pass(ledger, 1000);
  CHECK_FALSE(ledger.can_try(30));
  pass(ledger, 4000);
  CHECK(ledger.can_try(30));
  ledger.lose(30);
  CHECK_FALSE(ledger.can_try(30));
}

TEST_CASE("what drafts are to repay counts bit by bit, and in the end") {
  DraftLedger ledger;
  ledger.pass(1);
  ledger.invest(50);
  ledger.pass(1);
  CHECK_FALSE(ledger.is_in_debt());
  pass(ledger, 100);
  CHECK(ledger.is_in_debt());
  DraftLedger repaid;
  repaid.pass(1);
  repaid.invest(50);
  repaid.gain(50);
  pass(repaid, 100);
  CHECK_FALSE(repaid.is_in_debt());
}
