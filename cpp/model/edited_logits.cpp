#include "model/edited_logits.h"

#include <algorithm>
#include <cstdint>
#include <limits>

namespace llamabox {
namespace {

// More make the search for what is left longer than a copy of the row.
constexpr std::size_t kMaxEdits = 256;

constexpr float kBan = -std::numeric_limits<float>::infinity();

} // namespace

void EditedLogits::set(std::span<const float> logits, std::span<const ScoredToken> edits) {
  logits_ = logits;
  edits_ = edits;
  if (edits.size() > kMaxEdits) {
    copy_.assign(logits.begin(), logits.end());
    for (const ScoredToken &edit : edits) {
      copy_[static_cast<std::size_t>(edit.token)] = edit.logit;
    }
    logits_ = copy_;
    edits_ = {};
  }
}

bool EditedLogits::is_edited(Token token) const {
  const auto at = std::ranges::lower_bound(edits_, token, {}, &ScoredToken::token);
  return at != edits_.end() && at->token == token;
}

Token EditedLogits::best(const TokenMask *mask) {
  ScoredToken best{kNoToken, kBan};
  if (mask == nullptr && !logits_.empty()) {
    const Token token = argmax(logits_);
    best = {token, logits_[static_cast<std::size_t>(token)]};
  } else {
    take_best(logits_, 1, mask, found_);
    best = found_.empty() ? best : found_.front();
  }
  if (best.token != kNoToken && is_edited(best.token)) {
    this->best(1, mask, found_);
    return found_.empty() ? kNoToken : found_.front().token;
  }
  for (const ScoredToken &edit : edits_) {
    if ((mask == nullptr || mask->test(edit.token)) && is_better(edit, best)) {
      best = edit;
    }
  }
  return best.logit > kBan ? best.token : kNoToken;
}

// Whatever is among the k best of the others is among the k + n best of all, n being edited.
void EditedLogits::best(std::size_t k, const TokenMask *mask, std::vector<ScoredToken> &out) {
  take_best(logits_, k + edits_.size(), mask, out);
  if (!edits_.empty()) {
    std::erase_if(out, [this](const ScoredToken &scored) { return is_edited(scored.token); });
    for (const ScoredToken &edit : edits_) {
      if (mask == nullptr || mask->test(edit.token)) {
        out.push_back(edit);
      }
    }
    std::ranges::sort(out, is_better);
    out.resize(std::min(k, out.size()));
  }
  const auto is_possible = [](const ScoredToken &scored) { return scored.logit > kBan; };
  out.erase(std::ranges::partition_point(out, is_possible), out.end());
}

void EditedLogits::all(const TokenMask *mask, std::vector<ScoredToken> &out) const {
  out.resize(logits_.size());
  std::size_t n = 0;
  auto edit = edits_.begin();
  for (std::size_t i = 0; i < logits_.size(); ++i) {
    ScoredToken scored{static_cast<Token>(i), logits_[i]};
    if (edit != edits_.end() && edit->token == scored.token) {
      scored = *edit++;
    }
    out[n] = scored;
    n += scored.logit > kBan && (mask == nullptr || mask->test(scored.token)) ? 1 : 0;
  }
  out.resize(n);
}

} // namespace llamabox
