#include "model/backend/stack_layout.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace derin {
namespace {

using testing::ElementsAre;

TEST(StackLayout, HasTheNamesShapesAndOrderOfPyTorch) {
  const auto slices = StackSlices({.cell = Cell::kGru, .layers = 2, .hidden = 5, .vocabulary = 11});
  ASSERT_EQ(slices.size(), 8u);
  const LayerSlices first(0), second(1);
  EXPECT_EQ(slices[first.weight_ih].name, "rnn.weight_ih_l0");
  EXPECT_THAT(slices[first.weight_ih].shape, ElementsAre(15, 11));
  EXPECT_EQ(slices[first.bias_hh].name, "rnn.bias_hh_l0");
  EXPECT_EQ(slices[second.weight_ih].name, "rnn.weight_ih_l1");
  EXPECT_THAT(slices[second.weight_ih].shape, ElementsAre(15, 5));
  EXPECT_THAT(slices[second.weight_hh].shape, ElementsAre(15, 5));
  EXPECT_THAT(slices[second.bias_ih].shape, ElementsAre(15));
}

TEST(StackLayout, AnEmbeddingComesLastAndTheFirstLayerReadsIt) {
  const auto slices =
      StackSlices({.cell = Cell::kGru, .layers = 2, .hidden = 5, .vocabulary = 11, .embedding = 3});
  ASSERT_EQ(slices.size(), 9u);
  EXPECT_THAT(slices[LayerSlices(0).weight_ih].shape, ElementsAre(15, 3));
  EXPECT_EQ(slices.back().name, "embedding.weight");
  EXPECT_THAT(slices.back().shape, ElementsAre(11, 3));
  EXPECT_EQ(slices.back().offset, slices[7].offset + slices[7].count);
}

TEST(StackLayout, SlicesTouchEachOther) {
  int64_t offset = 0;
  for (const Slice& slice : StackSlices({.layers = 3, .hidden = 4, .vocabulary = 7})) {
    EXPECT_EQ(slice.offset, offset) << slice.name;
    offset += slice.count;
  }
}

TEST(StackConfig, CellNamesAreReadBack) {
  for (const Cell cell : {Cell::kVanillaTanh, Cell::kVanillaRelu, Cell::kGru, Cell::kLstm}) {
    EXPECT_EQ(*ParseCell(CellName(cell)), cell);
  }
  EXPECT_EQ(ParseCell("rnn").status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace derin
