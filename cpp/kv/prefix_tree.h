// Who holds which prefix: a radix tree over keys (tokens, media hashes), with a root of its own for
// each set of adapters and each group of requests that may share. A holder is whatever has the keys
// from the root to its tip; its tip moves as it grows or is cut.
// Thread rule: engine thread. Guarantee: looking up n keys looks at each of them once, however many
// holders there are; holders of other roots are never found.
// Covered by prefix_tree_test, against a naive model.
#pragma once

#include "base/types.h"

#include <algorithm>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

namespace llamabox {

using HolderId = std::int32_t; // from 0, dense

// What two sequences must have in common to share anything.
struct PrefixRoot {
  ClassKey class_key = 0;  // of the adapters
  std::uint64_t group = 0; // of the requests

  auto operator<=>(const PrefixRoot &) const = default;
};

// A holder that has the first n keys of those looked up, and then goes on differently or ends.
struct PrefixHolder {
  HolderId holder = -1;
  Pos n = 0;
};

class PrefixTree {
public:
  using Keys = std::span<const std::int64_t>;

  // REQUIRES: the holder is not in the tree.
  void insert(HolderId holder, const PrefixRoot &root, Keys keys);
  // REQUIRES of the rest: it is.
  void extend(HolderId holder, Keys more);
  void cut(HolderId holder, Pos n); // keeps the first n keys
  void erase(HolderId holder);

  bool contains(HolderId holder) const;
  Pos length(HolderId holder) const { return place(holder).tip->end; }

  // Keys that some holder has in common with `keys`.
  Pos n_common(const PrefixRoot &root, Keys keys) const { return walk(root, keys).n; }

  // All holders with something in common with `keys`, those with most of it first, until
  // `visit(PrefixHolder)` returns false.
  template <class Visit> void find(const PrefixRoot &root, Keys keys, const Visit &visit) const;

private:
  struct Node {
    Node *parent = nullptr;                                 // null: a root
    std::vector<std::int64_t> keys;                         // between the parent and here
    Pos end = 0;                                            // keys from the root to here
    std::map<std::int64_t, std::unique_ptr<Node>> children; // by their first key
    std::vector<HolderId> tips;                             // holders that end here
  };

  struct Place {
    Node *tip = nullptr;
    PrefixRoot root;
  };

  // The deepest node of which all keys are common, and how many keys the next one has in common.
  struct Walk {
    const Node *node = nullptr;
    const Node *next = nullptr; // null: none has any
    Pos n = 0;                  // keys in common, those of `next` included
  };

  const Place &place(HolderId holder) const { return places_[static_cast<std::size_t>(holder)]; }
  Walk walk(const PrefixRoot &root, Keys keys) const;
  static Node &descend(Node &from, Keys keys);
  static Node &split(Node &node, Pos end);
  void set_tip(HolderId holder, Node &node);
  void leave(HolderId holder);
  void prune(Node *node, const PrefixRoot &root);
  // All tips of a node and below, but for one of its children; those nearer come first.
  template <class Visit>
  static bool visit_all(const Node &node, const Node *except, const Visit &visit);

  std::map<PrefixRoot, std::unique_ptr<Node>> roots_;
  std::vector<Place> places_; // by holder; those without a tip are not in the tree
};

template <class Visit>
void PrefixTree::find(const PrefixRoot &root, Keys keys, const Visit &visit) const {
  const Walk walked = walk(root, keys);
  const auto visit_with = [&](const Node &node, const Node *except, Pos n) {
    return visit_all(node, except, [&](HolderId holder) { return visit(PrefixHolder{holder, n}); });
  };
  if (walked.next != nullptr && !visit_with(*walked.next, nullptr, walked.n)) {
    return;
  }
  const Node *except = walked.next;
  for (const Node *node = walked.node; node != nullptr && node->end > 0; node = node->parent) {
    if (!visit_with(*node, except, node->end)) {
      return;
    }
    except = node;
  }
}

template <class Visit>
bool PrefixTree::visit_all(const Node &node, const Node *except, const Visit &visit) {
  std::vector<const Node *> rest{&node};
  while (!rest.empty()) {
    const Node *next = rest.back();
    rest.pop_back();
    if (!std::ranges::all_of(next->tips, visit)) {
      return false;
    }
    for (const auto &[key, child] : next->children) {
      if (child.get() != except) {
        rest.push_back(child.get());
      }
    }
  }
  return true;
}

} // namespace llamabox
