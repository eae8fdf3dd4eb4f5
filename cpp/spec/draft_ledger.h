// What one kind of drafts has cost and brought: drafts that the estimates promise to pay may still
// not, so they are only made while losses stay within an allowance, a small share of all time that
// went by. Whatever the estimates say, no more is lost than this share and the credit at the start.
// Thread rule: plain value. Covered by draft_ledger_test and the simulations of draft_payoff_test.
#pragma once

#include <algorithm>

namespace llamabox {

class DraftLedger {
public:
  // Time went by: a step that took so long, or would have without drafts.
  void pass(double plain_ms) {
    credit_ms_ = kCreditSteps * plain_ms;
    balance_ms_ = has_begun_ ? balance_ms_ : credit_ms_;
    has_begun_ = true;
    const double due_ms = kDuePart * invested_ms_;
    invested_ms_ -= due_ms;
    add(kAllowance * plain_ms - due_ms);
  }

  // Drafts took so long, and brought so much.
  void lose(double ms) { add(-ms); }
  void gain(double ms) {
    const double repaid_ms = std::min(ms, invested_ms_);
    invested_ms_ -= repaid_ms;
    add(ms - repaid_ms);
  }

  // A cost that later drafts are to repay, so it counts bit by bit.
  void invest(double ms) { invested_ms_ += ms; }

  bool is_in_debt() const { return balance_ms_ < 0; }

  // Whether a trial may be made that will cost so much. What is saved up for it is kept.
  bool can_try(double ms) {
    wanted_ms_ = ms;
    return has_begun_ && balance_ms_ >= ms;
  }

private:
  static constexpr double kAllowance = 0.006; // of the time; two kinds of drafts have one each
  static constexpr double kCreditSteps = 12;  // that may be lost at once
  static constexpr double kDuePart = 1.0 / 32;

  void add(double ms) {
    balance_ms_ = std::min(balance_ms_ + ms, std::max(credit_ms_, wanted_ms_));
  }

  double balance_ms_ = 0;
  double credit_ms_ = 0;
  double invested_ms_ = 0; // not counted yet
  double wanted_ms_ = 0;
  bool has_begun_ = false;
};

} // namespace llamabox
