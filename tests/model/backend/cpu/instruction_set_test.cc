#include "model/backend/cpu/instruction_set.h"

#include <algorithm>

#include "gmock/gmock.h"

namespace derin::cpu {
namespace {

TEST(InstructionSet, EveryMachineHasAvx2AndTheRestComesAscending) {
  const std::vector<InstructionSet> sets = SupportedInstructionSets();
  ASSERT_THAT(sets, testing::Not(testing::IsEmpty()));
  EXPECT_EQ(sets.front(), InstructionSet::kAvx2);
  EXPECT_TRUE(std::is_sorted(sets.begin(), sets.end()));
  EXPECT_EQ(std::adjacent_find(sets.begin(), sets.end()), sets.end());
}

TEST(InstructionSet, HasAName) {
  EXPECT_EQ(InstructionSetName(InstructionSet::kAvx2), "avx2");
  EXPECT_EQ(InstructionSetName(InstructionSet::kAvx512), "avx512");
  EXPECT_EQ(InstructionSetName(InstructionSet::kAvx512Bf16), "avx512-bf16");
  EXPECT_EQ(InstructionSetName(InstructionSet::kAmxBf16), "amx-bf16");
}

}  // namespace
}  // namespace derin::cpu
