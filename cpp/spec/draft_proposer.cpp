#include "spec/draft_proposer.h"

#include "spec/draft_choice.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace llamabox {
namespace {

// A shorter prefix than this is computed rather than looked for in other sequences.
constexpr Pos kLeastShared = 16;

// Rows without a draft token that a run may have and still cost what its number of rows does.
constexpr std::int32_t kFewRows = 16;

Pos n_common(std::span<const Token> a, std::span<const Token> b, std::size_t from = 0) {
  const auto rest = a.subspan(from);
  return static_cast<Pos>(std::ranges::mismatch(rest, b.subspan(from)).in1 - a.begin());
}

Row row_of(SeqId seq, Pos pos, Token token) {
  Row row;
  row.token = token;
  row.pos = {pos, pos, pos, pos};
  row.seq = seq;
  return row;
}

} // namespace

DraftProposer::DraftProposer(DraftProposerParts parts)
    : runner_(std::move(parts.runner)), kv_(std::move(parts.kv)), clock_(std::move(parts.clock)),
      source_(std::move(parts.source)), states_(std::move(parts.states)), vocab_(*parts.vocab),
      limits_(runner_->limits()), can_share_(kv_->traits().can_share), p_min_(parts.p_min),
      held_(static_cast<std::size_t>(parts.n_seqs)) {}

std::vector<Draft> DraftProposer::propose(std::span<const DraftWish> wishes) {
  ++n_calls_;
  std::vector<Draft> drafts(wishes.size());
  std::vector<Job> jobs;
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    const DraftWish &wish = wishes[i];
    follow(wish);
    const auto n_room = limits_.n_ctx - static_cast<std::int32_t>(wish.tokens.size());
    const std::int32_t n_max = std::min(wish.n_max, n_room);
    if (n_max > 0 && !held(wish.seq).is_off && held(wish.seq).n_lacking == 0) {
      jobs.push_back({&wish, &drafts[i], n_max});
    }
  }
  catch_up(jobs);
  for (const DraftWish &wish : wishes) {
    note_read(wish);
  }
  take_tokens(jobs);
  while (!jobs.empty() && extend(jobs)) {
    take_tokens(jobs);
  }
  return drafts;
}

std::optional<std::int32_t> DraftProposer::n_behind(const DraftWish &wish) const {
  const Held &own = held_[static_cast<std::size_t>(wish.seq)];
  const bool is_same = own.stream == wish.stream;
  const auto n_tokens = static_cast<std::int32_t>(wish.tokens.size());
  if ((is_same && own.is_off) || n_tokens >= limits_.n_ctx) {
    return std::nullopt;
  }
  const auto n_held = static_cast<std::int32_t>(is_same ? own.n_same : 0);
  return std::max(1, n_tokens - n_held);
}

void DraftProposer::note(std::span<const RanRows> rows) {
  std::vector<float> states;
  for (const RanRows &ran : rows) {
    states.clear();
    source_->read(ran.first_row, ran.n_rows, states);
    states_->put(ran.seq, ran.stream, ran.begin, states);
  }
}

// A token is run with the state at the one before it.
bool DraftProposer::has_states(const DraftWish &wish, std::size_t n_held) const {
  const Pos begin = std::max(0, static_cast<Pos>(n_held) - 1);
  const Pos end = static_cast<Pos>(wish.tokens.size()) - 1;
  return states_ == nullptr || states_->covers(wish.seq, wish.stream, begin, end);
}

// All that is held now is the stream's own text; drafts come behind it.
void DraftProposer::note_read(const DraftWish &wish) {
  Held &own = held(wish.seq);
  own.n_same = own.tokens.size();
  if (states_ != nullptr) {
    own.n_sure = static_cast<Pos>(own.tokens.size());
    states_->drop_before(wish.seq, own.n_sure - 1);
  }
}

// Lets the memory hold nothing of the wish's sequence but tokens that it has.
void DraftProposer::follow(const DraftWish &wish) {
  Held &own = held(wish.seq);
  own.last_used = n_calls_;
  if (own.stream != wish.stream) {
    own.stream = wish.stream;
    own.is_off = false;
    own.n_same = 0;
    own.n_lacking = 0;
    take_prefix(wish);
  } else if (own.n_lacking > 0) {
    take_prefix(wish); // another sequence may have read it meanwhile
  }
  // An embedding of the target's means nothing to another model, nor does the target's padding.
  const auto is_foreign = [this](Token token) { return token < 0 || token >= limits_.n_vocab; };
  own.is_off = own.is_off || std::ranges::any_of(wish.tokens.subspan(own.n_same), is_foreign);
  // The last token is always run: its row has the logits that a draft begins with.
  const auto n_most = static_cast<Pos>(wish.tokens.size()) - 1;
  const Pos n_sure = states_ != nullptr ? own.n_sure : n_most;
  keep(wish.seq, std::min({n_common(own.tokens, wish.tokens, own.n_same), n_most, n_sure}));
  own.n_same = own.tokens.size();
  if (states_ != nullptr) {
    states_->cut(wish.seq, wish.stream, n_most);
    own.n_lacking = has_states(wish, own.n_same) ? 0 : own.n_lacking + 1;
    own.is_off = own.is_off || own.n_lacking > 1;
  }
}

// Tokens of the wish that a sequence holds for good.
Pos DraftProposer::n_shareable(SeqId seq, const DraftWish &wish) const {
  const Held &one = held_[static_cast<std::size_t>(seq)];
  const Pos n = n_common(one.tokens, wish.tokens);
  return states_ != nullptr ? std::min(n, one.n_sure) : n;
}

// Another sequence may hold more of it, such as another choice of the same prompt.
void DraftProposer::take_prefix(const DraftWish &wish) {
  Pos best_n = n_shareable(wish.seq, wish) + kLeastShared;
  SeqId best = -1;
  for (SeqId seq = 0; can_share_ && seq < static_cast<SeqId>(held_.size()); ++seq) {
    const Pos n = n_shareable(seq, wish);
    if (n > best_n && kv_->usable_prefix(seq, n) == n) {
      best_n = n;
      best = seq;
    }
  }
  if (best >= 0 && best != wish.seq) {
    forget(wish.seq);
    kv_->share(best, wish.seq, best_n);
    const std::vector<Token> &source = held(best).tokens;
    held(wish.seq).tokens.assign(source.begin(), source.begin() + best_n);
    held(wish.seq).n_sure = best_n;
  }
}

void DraftProposer::keep(SeqId seq, Pos n) {
  const Pos n_usable = kv_->usable_prefix(seq, n);
  kv_->trim(seq, n_usable);
  held(seq).tokens.resize(static_cast<std::size_t>(n_usable));
}

void DraftProposer::forget(SeqId seq) {
  kv_->trim(seq, 0);
  held(seq).tokens.clear();
  held(seq).n_same = 0;
}

// Runs what the memory lacks, as far as one batch goes; whoever lacks more waits for the next step.
void DraftProposer::catch_up(std::vector<Job> &jobs) {
  const auto shortest_first = [this](const Job &job) {
    const DraftWish &wish = *job.wish;
    return std::pair(wish.tokens.size() - held(wish.seq).tokens.size(), wish.seq);
  };
  std::ranges::sort(jobs, {}, shortest_first);
  DecodeStatus status = DecodeStatus::kNoCells;
  while (!jobs.empty() && status == DecodeStatus::kNoCells) {
    const Batch batch = rows_to_catch_up(jobs);
    status = run(batch);
    if (status != DecodeStatus::kOk && (status == DecodeStatus::kFailed || !make_cells(jobs))) {
      fail(jobs);
    }
  }
  std::erase_if(jobs, [](const Job &job) { return job.row < 0; });
}

Batch DraftProposer::rows_to_catch_up(std::vector<Job> &jobs) const {
  Batch batch;
  for (Job &job : jobs) {
    const auto tokens = job.wish->tokens;
    const SeqId seq = job.wish->seq;
    std::size_t at = held_[static_cast<std::size_t>(seq)].tokens.size();
    const std::size_t n_room = static_cast<std::size_t>(limits_.n_batch) - batch.size();
    const std::size_t end = std::min(tokens.size(), at + n_room);
    job.row = -1;
    for (; at < end; ++at) {
      batch.push_back(row_of(seq, static_cast<Pos>(at), tokens[at]));
    }
    if (end == tokens.size()) {
      batch.back().logits = true;
      job.row = static_cast<std::int32_t>(batch.size()) - 1;
    }
  }
  return batch;
}

// The least recently used sequence that is not drafted for now gives way, then the job that holds
// most, whose stream has no drafts from then on. False: nothing is left.
bool DraftProposer::make_cells(std::vector<Job> &jobs) {
  Held *oldest = nullptr;
  for (Held &one : held_) {
    const bool is_idle = one.last_used < n_calls_ && !one.tokens.empty();
    if (is_idle && (oldest == nullptr || one.last_used < oldest->last_used)) {
      oldest = &one;
    }
  }
  if (oldest != nullptr) {
    forget(static_cast<SeqId>(oldest - held_.data()));
    return true;
  }
  const auto n_wanted = [](const Job &job) { return job.wish->tokens.size(); };
  const auto largest = std::ranges::max_element(jobs, {}, n_wanted);
  forget(largest->wish->seq);
  held(largest->wish->seq).is_off = true;
  jobs.erase(largest);
  return !jobs.empty();
}

// Gives each draft its next token; who is done leaves the jobs.
void DraftProposer::take_tokens(std::vector<Job> &jobs) {
  std::erase_if(jobs, [this](const Job &job) { return !choose(job); });
}

// False: the draft is complete.
bool DraftProposer::choose(const Job &job) {
  // The rest is padding.
  const auto n_tokens = static_cast<std::size_t>(std::min(limits_.n_vocab, vocab_.n_tokens()));
  std::vector<TokenProbability> chances =
      draft_chances(runner_->logits(job.row).first(n_tokens), job.wish->temperature);
  Draft &draft = *job.draft;
  if (chances.front().probability < p_min_) {
    draft.gave_up = true;
    return false;
  }
  const bool by_chance = job.wish->temperature > 0;
  const double at = static_cast<double>(random_() - std::minstd_rand::min()) /
                    static_cast<double>(std::minstd_rand::max());
  const Token token = by_chance ? draw(chances, at) : chances.front().token;
  draft.tokens.push_back(token);
  draft.chances.push_back(by_chance ? std::move(chances) : std::vector<TokenProbability>{});
  return static_cast<std::int32_t>(draft.tokens.size()) < job.n_max &&
         !vocab_.is_end_of_generation(token);
}

// Runs the last token of each draft. False: the drafts stay as they are.
bool DraftProposer::extend(std::vector<Job> &jobs) {
  Batch batch;
  for (Job &job : jobs) {
    const SeqId seq = job.wish->seq;
    job.row = static_cast<std::int32_t>(batch.size());
    batch.push_back(
        row_of(seq, static_cast<Pos>(held(seq).tokens.size()), job.draft->tokens.back()));
    batch.back().logits = true;
  }
  const DecodeStatus status = run(batch);
  if (status == DecodeStatus::kFailed) {
    fail(jobs);
  }
  return status == DecodeStatus::kOk;
}

// Runs rows, notes that the memory holds them and what they cost.
DecodeStatus DraftProposer::run(const Batch &batch) {
  const std::int64_t begin_ns = clock_->now_ns();
  const DecodeStatus status = runner_->decode(batch);
  if (status != DecodeStatus::kOk) {
    return status;
  }
  const auto wanted = std::ranges::find(batch, true, &Row::logits);
  if (wanted != batch.end()) {
    // Asking for a row waits for the computation.
    static_cast<void>(runner_->logits(static_cast<std::int32_t>(wanted - batch.begin())));
    StepLoad load;
    load.n_decode_rows = static_cast<std::int32_t>(std::ranges::count(batch, true, &Row::logits));
    load.n_prefill_rows = static_cast<std::int32_t>(batch.size()) - load.n_decode_rows;
    if (load.n_prefill_rows <= kFewRows) {
      load = {static_cast<std::int32_t>(batch.size()), 0, 0};
    }
    cost_.observe(load, ms_between(begin_ns, clock_->now_ns()));
  }
  for (const Row &row : batch) {
    held(row.seq).tokens.push_back(row.token);
  }
  return status;
}

// What the memory holds of these sequences is unknown.
void DraftProposer::fail(std::vector<Job> &jobs) {
  for (const Job &job : jobs) {
    forget(job.wish->seq);
  }
  jobs.clear();
}

} // namespace llamabox
