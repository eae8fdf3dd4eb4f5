// Who holds which prefix: a radix tree over keys (tokens, media hashes), with a root of its own for
// each set of adapters and each group of requests that may share. A holder is whatever has the keys
// from the root to its tip; its tip moves as it grows or is cut.
// Thread rule: engine thread. Guarantee: looking up n keys looks at each of them once, however many
// holders there are; holders of other roots are never found.
// Covered by prefix_tree_test, against a naive model.
#pragma once

#include "base/types.h"

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
  static void collect(const Node &node, const Node *except, std::vector<HolderId> &holders);

  std::map<PrefixRoot, std::unique_ptr<Node>> roots_;
  std::vector<Place> places_; // by holder; those without a tip are not in the tree
};

template <class Visit>
void PrefixTree::find(const PrefixRoot &root, Keys keys, const Visit &visit) const {
  const Walk walked = walk(root, keys);
  std::vector<HolderId> holders;
  const auto visit_all = [&](Pos n) {
    for (const HolderId holder : holders) {
      if (!visit(PrefixHolder{holder, n})) {
        return false;
      }
    }
    holders.clear();
    return true;
  };
  if (walked.next != nullptr) {
    collect(*walked.next, nullptr, holders);
    if (!visit_all(walked.n)) {
      return;
    }
  }
  const Node *except = walked.next;
  for (const Node *node = walked.node; node != nullptr && node->end > 0; node = node->parent) {
    collect(*node, except, holders);
    if (!visit_all(node->end)) {
      return;
    }
    except = node;
  }
}

} // namespace llamabox
