#include "model/backend/control_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/temporary_folder.h"

namespace derin {
namespace {

using testing::Optional;

struct ControlGroupTest : testing::Test {
  ControlGroupTest() { std::filesystem::create_directories(inner); }

  ControlGroup Of(const std::string& membership) {
    WriteTestFile(folder.path() / "membership", membership);
    return ControlGroup(folder.path() / "membership", mount);
  }

  const TemporaryFolder folder;
  const std::filesystem::path mount = folder.path() / "mount", outer = mount / "pods",
                              inner = outer / "one";
};

TEST_F(ControlGroupTest, WithoutOneThereAreNoLimits) {
  for (const char* membership : {"", "4:memory:/pods/one\n", "0::/pods/one\n"}) {
    const ControlGroup group = Of(membership);
    EXPECT_EQ(group.memory_bytes(), std::nullopt) << membership;
    EXPECT_EQ(group.free_memory_bytes(), std::nullopt);
    EXPECT_EQ(group.processors(), std::nullopt);
  }
}

TEST_F(ControlGroupTest, TheLeastOfItAndThoseAboveItCounts) {
  WriteTestFile(mount / "memory.max", "9000\n");
  WriteTestFile(outer / "memory.max", "4000\n");
  WriteTestFile(inner / "memory.max", "max\n");
  WriteTestFile(outer / "cpu.max", "250000 100000\n");
  WriteTestFile(inner / "cpu.max", "max 100000\n");
  const ControlGroup group = Of("1:name=systemd:/\n0::/pods/one\n");
  EXPECT_THAT(group.memory_bytes(), Optional(4000));
  EXPECT_THAT(group.processors(), Optional(3)) << "two and a half";
  EXPECT_THAT(Of("0::/\n").memory_bytes(), Optional(9000)) << "as in a container";
}

TEST_F(ControlGroupTest, WhatIsFreeIsLeftOrReclaimed) {
  WriteTestFile(outer / "memory.max", "4000\n");
  WriteTestFile(outer / "memory.current", "3500\n");
  WriteTestFile(outer / "memory.stat", "anon 100\ninactive_file 300\nactive_file 1000\n");
  WriteTestFile(inner / "memory.max", "3000\n");
  WriteTestFile(inner / "memory.current", "1000\n");
  const ControlGroup group = Of("0::/pods/one\n");
  EXPECT_THAT(group.free_memory_bytes(), Optional(800));
  WriteTestFile(inner / "memory.current", "3200\n");
  EXPECT_THAT(group.free_memory_bytes(), Optional(0)) << "a limit that was lowered";
}

TEST_F(ControlGroupTest, AShareOfAProcessorIsOne) {
  WriteTestFile(inner / "cpu.max", "20000 100000\n");
  EXPECT_THAT(Of("0::/pods/one\n").processors(), Optional(1));
}

}  // namespace
}  // namespace derin
