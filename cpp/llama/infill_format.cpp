#include "llama/infill_format.h"

#include "base/error.h"

namespace llamabox {
namespace {

// The names that models trained on whole repositories expect; clients send none for these two.
constexpr const char *kRepositoryName = "myproject";
constexpr const char *kCurrentFileName = "filename";
// Between files where the model has no token for it.
constexpr const char *kSnippetMark = "\n\n--- snippet ---\n\n";

} // namespace

InfillFormat::InfillFormat(const llama_vocab *upstream, const Vocab &vocab)
    : vocab_(vocab), prefix_(llama_vocab_fim_pre(upstream)), suffix_(llama_vocab_fim_suf(upstream)),
      middle_(llama_vocab_fim_mid(upstream)), repository_(llama_vocab_fim_rep(upstream)),
      file_(llama_vocab_fim_sep(upstream)) {
  if (llama_vocab_get_add_bos(upstream)) {
    begin_ = llama_vocab_bos(upstream);
  }
}

std::vector<Token> InfillFormat::encode(const InfillPrompt &infill) const {
  if (prefix_ == kNoToken || suffix_ == kNoToken || middle_ == kNoToken) {
    throw Error(ErrorCode::kInvalidArgument, "this model has no fill-in-the-middle tokens",
                "prompt");
  }
  std::vector<Token> tokens;
  if (begin_ != kNoToken) {
    tokens.push_back(begin_);
  }
  append_files(tokens, infill);
  tokens.push_back(prefix_);
  append_text(tokens, infill.prefix);
  append_text(tokens, infill.begun);
  tokens.push_back(suffix_);
  append_text(tokens, infill.suffix);
  tokens.push_back(middle_);
  return tokens;
}

void InfillFormat::append_text(std::vector<Token> &tokens, const std::string &text) const {
  const std::vector<Token> more =
      vocab_.tokenize(text, TokenizeOptions{.add_special = false, .parse_special = false});
  tokens.insert(tokens.end(), more.begin(), more.end());
}

void InfillFormat::append_files(std::vector<Token> &tokens, const InfillPrompt &infill) const {
  if (infill.files.empty()) {
    return;
  }
  if (repository_ != kNoToken) {
    tokens.push_back(repository_);
    append_text(tokens, std::string(kRepositoryName) + "\n");
  }
  for (const InfillFile &file : infill.files) {
    if (file_ != kNoToken) {
      tokens.push_back(file_);
      append_text(tokens, file.name + "\n");
    } else {
      append_text(tokens, kSnippetMark);
    }
    append_text(tokens, file.text);
  }
  if (file_ != kNoToken) {
    tokens.push_back(file_);
    append_text(tokens, std::string(kCurrentFileName) + "\n");
  }
}

} // namespace llamabox
