#include "kv/prefix_tree.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace llamabox {
namespace {

Pos n_equal(PrefixTree::Keys a, PrefixTree::Keys b) {
  return static_cast<Pos>(std::ranges::mismatch(a, b).in1 - a.begin());
}

} // namespace

PrefixTree::Walk PrefixTree::walk(const PrefixRoot &root, Keys keys) const {
  const auto known = roots_.find(root);
  if (known == roots_.end()) {
    return {};
  }
  Walk walked;
  walked.node = known->second.get();
  while (!keys.empty()) {
    const auto child = walked.node->children.find(keys.front());
    if (child == walked.node->children.end()) {
      break;
    }
    const Node &next = *child->second;
    const Pos n = n_equal(next.keys, keys);
    walked.n += n;
    if (n < static_cast<Pos>(next.keys.size())) {
      walked.next = &next;
      break;
    }
    walked.node = &next;
    keys = keys.subspan(static_cast<std::size_t>(n));
  }
  return walked;
}

// The node that has `keys` more than `from`, made where there is none.
PrefixTree::Node &PrefixTree::descend(Node &from, Keys keys) {
  Node *node = &from;
  while (!keys.empty()) {
    std::unique_ptr<Node> &child = node->children[keys.front()];
    if (!child) {
      child = std::make_unique<Node>();
      child->parent = node;
      child->keys.assign(keys.begin(), keys.end());
      child->end = node->end + static_cast<Pos>(keys.size());
      return *child;
    }
    const Pos n = n_equal(child->keys, keys);
    node = n == static_cast<Pos>(child->keys.size()) ? child.get() : &split(*child, node->end + n);
    keys = keys.subspan(static_cast<std::size_t>(n));
  }
  return *node;
}

// A new node in the middle of the way to `node`.
PrefixTree::Node &PrefixTree::split(Node &node, Pos end) {
  Node &parent = *node.parent;
  const Pos n = end - parent.end;
  std::unique_ptr<Node> &place = parent.children[node.keys.front()];
  auto middle = std::make_unique<Node>();
  middle->parent = &parent;
  middle->end = end;
  middle->keys.assign(node.keys.begin(), node.keys.begin() + n);
  node.keys.erase(node.keys.begin(), node.keys.begin() + n);
  node.parent = middle.get();
  middle->children[node.keys.front()] = std::move(place);
  place = std::move(middle);
  return *place;
}

void PrefixTree::set_tip(HolderId holder, Node &node) {
  places_[static_cast<std::size_t>(holder)].tip = &node;
  node.tips.push_back(holder);
}

// Takes the holder from its node, which stays.
void PrefixTree::leave(HolderId holder) { std::erase(place(holder).tip->tips, holder); }

// Removes what nobody holds, and joins a node with its only child where nobody ends between them.
void PrefixTree::prune(Node *node, const PrefixRoot &root) {
  while (node->parent != nullptr && node->tips.empty() && node->children.empty()) {
    Node *parent = node->parent;
    parent->children.erase(node->keys.front());
    node = parent;
  }
  if (node->parent == nullptr) {
    if (node->children.empty() && node->tips.empty()) {
      roots_.erase(root);
    }
    return;
  }
  if (!node->tips.empty() || node->children.size() != 1) {
    return;
  }
  std::unique_ptr<Node> child = std::move(node->children.begin()->second);
  node->keys.insert(node->keys.end(), child->keys.begin(), child->keys.end());
  child->keys = std::move(node->keys);
  child->parent = node->parent;
  std::unique_ptr<Node> &place = node->parent->children[child->keys.front()];
  place = std::move(child);
}

void PrefixTree::insert(HolderId holder, const PrefixRoot &root, Keys keys) {
  const auto at = static_cast<std::size_t>(holder);
  places_.resize(std::max(places_.size(), at + 1));
  places_[at].root = root;
  std::unique_ptr<Node> &top = roots_[root];
  if (!top) {
    top = std::make_unique<Node>();
  }
  set_tip(holder, descend(*top, keys));
}

void PrefixTree::extend(HolderId holder, Keys more) {
  Node &tip = *place(holder).tip;
  if (more.empty()) {
    return;
  }
  if (tip.parent != nullptr && tip.children.empty() && tip.tips.size() == 1) {
    tip.keys.insert(tip.keys.end(), more.begin(), more.end());
    tip.end += static_cast<Pos>(more.size());
    return;
  }
  leave(holder);
  set_tip(holder, descend(tip, more));
  prune(&tip, place(holder).root);
}

void PrefixTree::cut(HolderId holder, Pos n) {
  Node *tip = place(holder).tip;
  if (n >= tip->end) {
    return;
  }
  if (n > 0 && tip->children.empty() && tip->tips.size() == 1 && n > tip->parent->end) {
    tip->keys.resize(static_cast<std::size_t>(n - tip->parent->end));
    tip->end = n;
    return;
  }
  Node *node = tip;
  while (node->parent != nullptr && node->parent->end >= n) {
    node = node->parent;
  }
  leave(holder);
  set_tip(holder, node->end == n ? *node : split(*node, n));
  prune(tip, place(holder).root);
}

void PrefixTree::erase(HolderId holder) {
  Place &own = places_[static_cast<std::size_t>(holder)];
  Node *tip = std::exchange(own.tip, nullptr);
  std::erase(tip->tips, holder);
  prune(tip, own.root);
}

bool PrefixTree::contains(HolderId holder) const {
  const auto at = static_cast<std::size_t>(holder);
  return at < places_.size() && places_[at].tip != nullptr;
}

} // namespace llamabox
