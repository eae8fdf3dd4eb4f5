#include "engine/share_groups.h"

#include <doctest/doctest.h>

#include <string>

using namespace llamabox;

TEST_CASE("a name keeps its number, no two have the same") {
  ShareGroups groups;
  CHECK(groups.find("") == 0);
  const auto a = groups.find("a");
  const auto b = groups.find("b");
  CHECK(a != 0);
  CHECK(a != b);
  CHECK(groups.find("a") == a);
  const auto nobody = groups.next();
  CHECK(nobody != a);
  CHECK(groups.find("c") != nobody);
}

TEST_CASE("the names used last are kept") {
  ShareGroups groups;
  const auto kept = groups.find("kept");
  const auto lost = groups.find("lost");
  for (std::size_t i = 0; i < ShareGroups::kMaxRemembered - 1; ++i) {
    groups.find(std::to_string(i));
    groups.find("kept");
  }
  CHECK(groups.find("kept") == kept);
  CHECK(groups.find("lost") != lost);
}
