#include "guard/gguf_vocab_rules.h"

#include "guard/gguf_file.h"
#include "guard/gguf_keys.h"
#include "guard/gguf_model_rules.h"

#include <array>
#include <cctype>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace llamabox {

namespace {

constexpr std::uint32_t kTokenTypeByte = 6;
constexpr std::string_view kPrefix = "tokenizer.ggml.";

// The ids that a tokenizer kind falls back to when the file names none; nothing: it has none.
struct TokenizerKind {
  std::string_view model;
  std::optional<std::uint32_t> default_bos;
  std::optional<std::uint32_t> default_eos;
  std::optional<std::uint32_t> default_sep;
  bool adds_bos; // may begin every text with BOS without being told to
};

constexpr std::array kKinds = {
    TokenizerKind{"llama", 1, 2, std::nullopt, true},
    TokenizerKind{"gpt2", 11, 11, std::nullopt, true},
    TokenizerKind{"hybriddna", 11, 11, std::nullopt, true},
    TokenizerKind{"whitespace", 11, 11, std::nullopt, true},
    TokenizerKind{"bert", 101, std::nullopt, 102, true},
    TokenizerKind{"t5", std::nullopt, 1, std::nullopt, false},
    TokenizerKind{"rwkv", std::nullopt, std::nullopt, std::nullopt, false},
    TokenizerKind{"plamo2", 1, 2, std::nullopt, false},
    TokenizerKind{"plamo3", 1, 2, std::nullopt, false},
    TokenizerKind{"gemma4", std::nullopt, std::nullopt, std::nullopt, true},
};

std::string key_name(std::string_view suffix) { return std::string(kPrefix) + std::string(suffix); }

[[noreturn]] void refuse_key(const GgufHeader &header, std::string_view suffix,
                             const std::string &what) {
  refuse_gguf(header.path, "key " + quote_name(key_name(suffix)) + " " + what);
}

const TokenizerKind &find_kind(const GgufHeader &header) {
  const std::string model = optional_text(header, key_name("model"));
  if (header.find(key_name("model")) == nullptr) {
    refuse_key(header, "model", "is missing, so it is not a text model");
  }
  if (model == "none" || model == "no_vocab") {
    refuse_gguf(header.path, "it has no tokenizer, so it cannot read text");
  }
  for (const TokenizerKind &kind : kKinds) {
    if (kind.model == model) {
      return kind;
    }
  }
  refuse_key(header, "model", "is the unknown tokenizer " + quote_name(model));
}

std::uint32_t check_array_lengths(const GgufHeader &header) {
  const GgufValue *tokens = header.find(key_name("tokens"));
  if (tokens == nullptr || !tokens->is_array_of(GgufValueType::kString)) {
    refuse_key(header, "tokens", "must be an array of strings");
  }
  if (tokens->length == 0 || tokens->length > kMaxVocabSize) {
    refuse_key(header, "tokens",
               "has " + std::to_string(tokens->length) + " entries, it must have from 1 to " +
                   std::to_string(kMaxVocabSize));
  }
  for (const std::string_view suffix : {"scores", "token_type"}) {
    const GgufValue *array = header.find(key_name(suffix));
    if (array == nullptr) {
      continue;
    }
    const bool typed = array->is_array_of(GgufValueType::kInt32) ||
                       (suffix == "scores" && array->is_array_of(GgufValueType::kFloat32));
    if (!typed) {
      refuse_key(header, suffix, "must be an array of numbers");
    }
    if (array->length != tokens->length) {
      refuse_key(header, suffix,
                 "has " + std::to_string(array->length) + " entries for " +
                     std::to_string(tokens->length) + " tokens");
    }
  }
  return static_cast<std::uint32_t>(tokens->length);
}

std::vector<std::uint32_t> read_token_types(const GgufHeader &header, std::uint32_t n_vocab) {
  const GgufValue *array = header.find(key_name("token_type"));
  std::vector<std::uint32_t> types;
  if (array == nullptr) {
    return types;
  }
  GgufFile file(header.path);
  file.seek(array->position);
  types.resize(n_vocab);
  for (std::uint32_t &type : types) {
    type = file.read_u32("the array of token types");
  }
  return types;
}

// A byte token is written <0xHH>; the code that reads it back looks at these two places unchecked.
bool is_byte_token(std::string_view text) {
  const auto hex = [&](std::size_t i) {
    return std::isxdigit(static_cast<unsigned char>(text[i])) != 0;
  };
  return text.size() == 6 && text.substr(0, 3) == "<0x" && text[5] == '>' && hex(3) && hex(4);
}

void check_token_texts(const GgufHeader &header, const TokenizerKind &kind, std::uint32_t n_vocab) {
  const std::vector<std::uint32_t> types = read_token_types(header, n_vocab);
  GgufFile file(header.path);
  file.seek(header.find(key_name("tokens"))->position);
  std::unordered_set<std::string> seen;
  seen.reserve(n_vocab);
  for (std::uint32_t id = 0; id < n_vocab; ++id) {
    std::string text = file.read_string(kGgufMaxStringBytes, "the list of tokens");
    // The loader reads tokens as C strings and gives an empty one a name of its own.
    text.resize(text.find('\0') == std::string::npos ? text.size() : text.find('\0'));
    if (text.empty()) {
      text = "[EMPTY_" + std::to_string(id) + "]";
    }
    if (!types.empty() && types[id] == kTokenTypeByte &&
        (kind.model == "bert" || !is_byte_token(text))) {
      refuse_key(header, "tokens",
                 "has at " + std::to_string(id) + " the byte token " + quote_name(text) +
                     ", which is not of the form <0xHH>" +
                     (kind.model == "bert" ? " or not allowed here" : ""));
    }
    const auto [it, inserted] = seen.insert(std::move(text));
    if (!inserted) {
      refuse_key(header, "tokens",
                 "has the token " + quote_name(*it) + " twice, the second time at " +
                     std::to_string(id));
    }
  }
}

// An id that the file names must be a token. Only padding may lie outside: many published models
// have it so, and it is then ignored.
void check_special_ids(const GgufHeader &header, std::uint32_t n_vocab) {
  constexpr std::string_view kSuffix = "_token_id";
  for (const auto &[key, value] : header.values) {
    const std::string_view name = key;
    const bool is_id = name.size() > kPrefix.size() + kSuffix.size() &&
                       name.substr(0, kPrefix.size()) == kPrefix &&
                       name.substr(name.size() - kSuffix.size()) == kSuffix;
    if (!is_id) {
      continue;
    }
    const std::uint64_t id = optional_u32(header, key).value_or(0);
    if (id >= n_vocab && name != "tokenizer.ggml.padding_token_id") {
      refuse_gguf(header.path, "key " + quote_name(key) + " is " + std::to_string(id) +
                                   ", but there are only " + std::to_string(n_vocab) + " tokens");
    }
  }
}

// What an optional flag says; nothing when the file leaves it to the tokenizer.
std::optional<bool> optional_flag(const GgufHeader &header, std::string_view suffix) {
  const GgufValue *value = header.find(key_name(suffix));
  if (value == nullptr) {
    return std::nullopt;
  }
  if (value->type != GgufValueType::kBool) {
    refuse_key(header, suffix,
               "must be of type bool, it is " + std::string(gguf_value_type_name(value->type)));
  }
  return value->bits != 0;
}

struct AddedToken {
  std::string_view flag;   // key that asks for it
  std::string_view id_key; // key that names it
  std::optional<std::uint32_t> default_id;
  bool by_default;
};

// A token that is added to every text must exist, or the first request ends the process.
void check_added_token(const GgufHeader &header, std::uint32_t n_vocab, const AddedToken &added) {
  const bool wanted = optional_flag(header, added.flag).value_or(added.by_default);
  const bool known = header.find(key_name(added.id_key)) != nullptr ||
                     (added.default_id && *added.default_id < n_vocab);
  if (wanted && !known) {
    refuse_key(header, added.flag,
               "asks (or its absence does) for a token to be added to every text, but " +
                   quote_name(key_name(added.id_key)) + " does not name one");
  }
}

} // namespace

std::uint32_t check_tokenizer(const GgufHeader &header) {
  const TokenizerKind &kind = find_kind(header);
  const std::uint32_t n_vocab = check_array_lengths(header);
  const GgufValue *merges = header.find(key_name("merges"));
  if (merges != nullptr && !merges->is_array_of(GgufValueType::kString)) {
    refuse_key(header, "merges", "must be an array of strings");
  }
  if (merges == nullptr && kind.model == "gpt2" &&
      optional_text(header, key_name("pre")) != "kimi-k2") {
    refuse_key(header, "merges", "is missing");
  }
  check_special_ids(header, n_vocab);
  check_added_token(header, n_vocab,
                    {"add_bos_token", "bos_token_id", kind.default_bos, kind.adds_bos});
  check_added_token(header, n_vocab, {"add_eos_token", "eos_token_id", kind.default_eos, false});
  check_added_token(
      header, n_vocab,
      {"add_sep_token", "seperator_token_id", kind.default_sep, kind.model == "bert"});
  check_token_texts(header, kind, n_vocab);
  return n_vocab;
}

} // namespace llamabox
