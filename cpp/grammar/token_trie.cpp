#include "grammar/token_trie.h"

#include <algorithm>
#include <utility>

namespace llamabox {

TokenTrie::TokenTrie(std::span<const std::string_view> pieces, std::vector<TokenUse> uses)
    : uses_(std::move(uses)) {
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    byte_begins_.push_back(static_cast<std::uint32_t>(bytes_.size()));
    bytes_ += pieces[i];
    TokenUse &use = uses_[i];
    if (use == TokenUse::kEnd) {
      ends_.push_back(static_cast<Token>(i));
    } else if (pieces[i].empty() || pieces[i].find('\0') != std::string_view::npos) {
      use = TokenUse::kNone;
    } else if (use != TokenUse::kNone) {
      tokens_.push_back(static_cast<Token>(i));
    }
  }
  byte_begins_.push_back(static_cast<std::uint32_t>(bytes_.size()));
  std::ranges::sort(tokens_, [this](Token a, Token b) {
    const std::string_view x = piece(a);
    const std::string_view y = piece(b);
    return x != y ? x < y : a < b;
  });
  add_nodes();
}

std::string_view TokenTrie::piece(Token token) const {
  const auto at = static_cast<std::size_t>(token);
  const std::size_t begin = byte_begins_[at];
  return std::string_view(bytes_).substr(begin, byte_begins_[at + 1] - begin);
}

void TokenTrie::add_nodes() {
  std::vector<std::size_t> open; // the nodes from the top to the last one made
  const auto close = [&](std::size_t n_kept) {
    for (; open.size() > n_kept; open.pop_back()) {
      nodes_[open.back()].skip = static_cast<std::uint32_t>(nodes_.size());
    }
  };
  std::string_view last;
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const std::string_view bytes = piece(tokens_[i]);
    const auto differs = std::ranges::mismatch(bytes, last);
    const auto n_common = static_cast<std::size_t>(differs.in1 - bytes.begin());
    close(n_common);
    for (std::size_t at = n_common; at < bytes.size(); ++at) {
      open.push_back(nodes_.size());
      Node node;
      node.depth = static_cast<std::uint32_t>(at + 1);
      node.first_token = static_cast<std::uint32_t>(i);
      node.byte = static_cast<std::uint8_t>(bytes[at]);
      nodes_.push_back(node);
    }
    max_depth_ = std::max(max_depth_, bytes.size());
    last = bytes;
  }
  close(0);
  Node end;
  end.skip = static_cast<std::uint32_t>(nodes_.size()) + 1;
  end.first_token = static_cast<std::uint32_t>(tokens_.size());
  nodes_.push_back(end);
}

std::span<const Token> TokenTrie::tokens(std::size_t begin, std::size_t end) const {
  const std::size_t first = nodes_[begin].first_token;
  return std::span(tokens_).subspan(first, nodes_[end].first_token - first);
}

} // namespace llamabox
