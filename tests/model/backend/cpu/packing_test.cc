#include "model/backend/cpu/packing.h"

#include <bit>
#include <cmath>
#include <vector>

#include "model/backend/cpu/bf16.h"
#include "tests/model/backend/cpu/random_values.h"

namespace derin::cpu {
namespace {

constexpr Cell kCells[] = {Cell::kVanillaTanh, Cell::kVanillaRelu, Cell::kGru, Cell::kLstm};
constexpr int kHidden[] = {1, 7, 16, 33, 70};

// Where column `column` of a panel has its weights and gradients in PyTorch's tensors: the row, or
// -1 where there is none. By the definition in gate_panels.h.
int64_t RowOfColumn(Cell cell, int hidden, int panel, int column) {
  const int vector = column / 16, lane = column % 16;
  int gate = 0, unit = panel * 64 + column;
  if (cell == Cell::kLstm) gate = vector;                          // i, f, g, o
  if (cell == Cell::kGru) gate = std::vector{2, 0, 1, 2}[vector];  // n, r, z, n of r, z, n
  if (GateCount(cell) > 1) unit = panel * 16 + lane;
  return unit < hidden ? int64_t{gate} * hidden + unit : -1;
}

// Element [row, k] of a tensor, and 0 beyond it.
float At(const std::vector<float>& tensor, int64_t row, int64_t k, int64_t inputs) {
  return row < 0 || k >= inputs ? 0 : tensor[row * inputs + k];
}

class PackingTest : public testing::TestWithParam<Cell> {
 protected:
  // Calls body(panels, weight [G*H, inputs], inputs) for all sizes.
  template <class Body>
  void ForEachShape(const Body& body) {
    for (const int hidden : kHidden) {
      // The state's weights, and others that are as wide.
      for (const int inputs : {hidden, 1, 129, 260}) {
        SCOPED_TRACE(testing::Message() << hidden << " units, " << inputs << " inputs");
        const GatePanels panels(GetParam(), hidden);
        body(panels, RandomFloats(int64_t{GateCount(GetParam())} * hidden * inputs, random_),
             inputs);
      }
    }
  }

  int64_t Row(const GatePanels& panels, int panel, int column) const {
    return RowOfColumn(GetParam(), panels.hidden(), panel, column);
  }

  std::mt19937 random_{1};
};

TEST_P(PackingTest, EveryRowOfTheTensorsHasItsColumnInExactlyOnePlaceOfEachProduct) {
  for (const int hidden : kHidden) {
    const GatePanels panels(GetParam(), hidden);
    for (const bool recurrent : {false, true}) {
      std::vector<int> times(int64_t{GateCount(GetParam())} * hidden);
      for (int panel = 0; panel < panels.count(); ++panel) {
        const auto range = recurrent ? panels.Recurrent(panel) : panels.Input(panel);
        for (int column = 0; column < range.columns(); ++column) {
          const int64_t row = Row(panels, panel, range.first_column() + column);
          if (row >= 0) ++times[row];
        }
      }
      EXPECT_THAT(times, testing::Each(1)) << hidden;
    }
  }
}

TEST_P(PackingTest, ForwardHasTheInputsOfEachColumnOneBelowTheOther) {
  ForEachShape([&](const GatePanels& panels, const std::vector<float>& weight, int inputs) {
    for (int panel = 0; panel < panels.count(); ++panel) {
      for (const auto range : {panels.Input(panel), panels.Recurrent(panel)}) {
        const int64_t columns = range.columns(), k = RoundUp(inputs, 16);
        std::vector<uint32_t> f32(k * columns), bf16(k / 2 * columns), of_f32 = f32, of_bf16 = bf16;
        for (int64_t i = 0; i < k; ++i) {
          for (int64_t c = 0; c < columns; ++c) {
            const int64_t row = Row(panels, panel, range.first_column() + static_cast<int>(c));
            const float value = At(weight, row, i, inputs);
            of_f32[i * columns + c] = std::bit_cast<uint32_t>(value);
            if (i % 2 == 0) {
              of_bf16[i / 2 * columns + c] = Bf16Pair(value, At(weight, row, i + 1, inputs));
            }
          }
        }
        PackForward(panels, panel, range, weight.data(), inputs, /*bf16=*/false, f32.data());
        PackForward(panels, panel, range, weight.data(), inputs, /*bf16=*/true, bf16.data());
        ASSERT_EQ(f32, of_f32);
        ASSERT_EQ(bf16, of_bf16);
      }
    }
  });
}

TEST_P(PackingTest, BackwardHasTheColumnsOfAllPanelsOneBelowTheOther) {
  ForEachShape([&](const GatePanels& panels, const std::vector<float>& weight, int inputs) {
    for (const bool recurrent : {false, true}) {
      for (int first = 0; first < inputs; first += 64) {
        const int columns = std::min<int>(64, static_cast<int>(RoundUp(inputs, 16)) - first);
        std::vector<int64_t> rows;
        for (int panel = 0; panel < panels.count(); ++panel) {
          const auto range = recurrent ? panels.Recurrent(panel) : panels.Input(panel);
          for (int column = 0; column < range.columns(); ++column) {
            rows.push_back(Row(panels, panel, range.first_column() + column));
          }
        }
        ASSERT_EQ(static_cast<int64_t>(rows.size()), panels.AllProductColumns());
        std::vector<uint32_t> f32(rows.size() * columns), bf16(f32.size() / 2), of_f32 = f32,
                                                                                of_bf16 = bf16;
        for (size_t k = 0; k < rows.size(); ++k) {
          for (int c = 0; c < columns; ++c) {
            const float value = At(weight, rows[k], first + c, inputs);
            of_f32[k * columns + c] = std::bit_cast<uint32_t>(value);
            if (k % 2 == 0) {
              of_bf16[k / 2 * columns + c] =
                  Bf16Pair(value, At(weight, rows[k + 1], first + c, inputs));
            }
          }
        }
        PackBackward(panels, recurrent, weight.data(), inputs, first, columns, false, f32.data());
        PackBackward(panels, recurrent, weight.data(), inputs, first, columns, true, bf16.data());
        ASSERT_EQ(f32, of_f32);
        ASSERT_EQ(bf16, of_bf16);
      }
    }
  });
}

TEST_P(PackingTest, TokensHaveTheBiasAndTheirColumnOfTheInputsWeights) {
  ForEachShape([&](const GatePanels& panels, const std::vector<float>& weight, int vocabulary) {
    const std::vector<float> bias = RandomFloats(64, random_);
    for (int panel = 0; panel < panels.count(); ++panel) {
      std::vector<float> got(int64_t{vocabulary} * 64, kNan), wanted = got;
      const auto range = panels.Input(panel);
      for (int token = 0; token < vocabulary; ++token) {
        for (int column = 0; column < 64; ++column) {
          float& sum = wanted[token * 64 + column];
          sum = bias[column];
          const int from = column - range.first_column();
          if (from < 0 || from >= range.columns()) continue;
          const int64_t row = Row(panels, panel, column);
          if (row >= 0) sum += weight[row * vocabulary + token];
        }
      }
      PackTokens(panels, panel, weight.data(), vocabulary, bias.data(), got.data());
      ASSERT_THAT(got, HasTheBitsOf(wanted));
    }
  });
}

TEST_P(PackingTest, UnpackingByTokenGivesBackAllOfTheTensor) {
  ForEachShape([&](const GatePanels& panels, const std::vector<float>& weight, int vocabulary) {
    const std::vector<float> bias(64, -0.0f);  // which changes nothing that it is added to
    std::vector<float> unpacked(weight.size(), kNan), by_token(int64_t{vocabulary} * 64, kNan);
    for (int panel = 0; panel < panels.count(); ++panel) {
      PackTokens(panels, panel, weight.data(), vocabulary, bias.data(), by_token.data());
      UnpackByToken(panels, panel, by_token.data(), vocabulary, unpacked.data());
    }
    ASSERT_THAT(unpacked, HasTheBitsOf(weight));
  });
}

INSTANTIATE_TEST_SUITE_P(Cells, PackingTest, testing::ValuesIn(kCells), [](const auto& info) {
  std::string name(CellName(info.param));
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
});

TEST(Bfloat16, RoundsToTheNearestAndTiesToEven) {
  const auto rounded = [](uint32_t bits) { return RoundToBf16(std::bit_cast<float>(bits)); };
  EXPECT_EQ(rounded(0x3f800000), 0x3f80);
  EXPECT_EQ(rounded(0x3f807fff), 0x3f80);
  EXPECT_EQ(rounded(0x3f808000), 0x3f80) << "a tie below an odd one";
  EXPECT_EQ(rounded(0x3f808001), 0x3f81);
  EXPECT_EQ(rounded(0x3f817fff), 0x3f81);
  EXPECT_EQ(rounded(0x3f818000), 0x3f82) << "a tie above an odd one";
  EXPECT_EQ(rounded(0xbf818000), 0xbf82);
  EXPECT_EQ(rounded(0x3fffffff), 0x4000) << "into the exponent";
  EXPECT_EQ(rounded(0x7f7fffff), 0x7f80) << "to infinity";
  EXPECT_EQ(rounded(0x7f800000), 0x7f80);
  EXPECT_EQ(rounded(0xff800000), 0xff80);
  EXPECT_EQ(rounded(0x80000000), 0x8000);
}

TEST(Bfloat16, OfNanIsNanWhereverItsBitsAre) {
  for (const uint32_t bits : {0x7fc00000u, 0x7f800001u, 0x7fffffffu, 0xffffffffu, 0xff808000u}) {
    const uint16_t rounded = RoundToBf16(std::bit_cast<float>(bits));
    EXPECT_TRUE(std::isnan(std::bit_cast<float>(uint32_t{rounded} << 16))) << std::hex << bits;
  }
}

TEST(Bfloat16, OfAPairTheEvenOneIsInTheLowerHalf) { EXPECT_EQ(Bf16Pair(1.0f, -2.0f), 0xc0003f80); }

}  // namespace
}  // namespace derin::cpu
