#include <filesystem>
#include <ostream>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "tests/golden/families.h"

namespace coppice::golden {
namespace {

struct Family {
  const char* name;
  Table (*table)();
  std::size_t case_count;
};

std::ostream& operator<<(std::ostream& out, const Family& family) { return out << family.name; }

const Family kFamilies[] = {
    {"activations", activations, 99},
    {"attention", attention, 48},
    {"curves", curves, 279},
    {"elementwise", elementwise, 409},
    {"indexing", indexing, 294},
    {"joining", joining, 135},
    {"losses", losses, 216},
    {"masked", masked, 44},
    {"norms", norms, 110},
    {"optimisers", optimisers, 102},
    {"pools", pools, 118},
    {"products", products, 186},
    {"reductions", reductions, 258},
    {"resampling", resampling, 213},
    {"training", training, 4},
    {"views", views, 190},
    {"vision", vision, 170},
};

class Golden : public ::testing::TestWithParam<Family> {};

TEST_P(Golden, AgreesWithPyTorch) { check_family(GetParam().name, GetParam().table(), GetParam().case_count); }

INSTANTIATE_TEST_SUITE_P(Families, Golden, ::testing::ValuesIn(kFamilies),
                         [](const auto& family) { return std::string(family.param.name); });

TEST(GoldenFiles, AreAllTestedAndMany) {
  std::set<std::string> tested;
  std::size_t case_count = 0;
  for (const Family& family : kFamilies) {
    tested.insert(family.name);
    case_count += family.case_count;
  }
  std::set<std::string> present;
  for (const auto& file : std::filesystem::directory_iterator(values_folder())) present.insert(file.path().stem());
  EXPECT_EQ(present, tested);
  EXPECT_GE(case_count, 2400);
}

}  // namespace
}  // namespace coppice::golden
