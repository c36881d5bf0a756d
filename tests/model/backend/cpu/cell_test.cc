// The cells' steps, forward and back.

#include <cmath>
#include <vector>

#include "model/backend/cpu/bf16.h"
#include "tests/model/backend/cpu/kernels_test.h"
#include "tests/model/backend/cpu/random_values.h"

namespace derin::cpu {
namespace {

using CellTest = KernelsTest;

// Random arguments of a cell's step. What a cell does not use is there all the same.
struct CellMemory {
  CellMemory(int rows, int vectors, std::mt19937& random)
      : rows(rows),
        vectors(vectors),
        stride(vectors * kLanes + kLanes * RandomInteger(0, 2, random)),
        gates(RandomFloats(rows * kPanelColumns, random, -4, 4)),
        h_before(RandomFloats(rows * stride, random)),
        c_before(RandomFloats(rows * stride, random, -2, 2)),
        tanh_c(RandomFloats(rows * stride, random)),
        dh(RandomFloats(rows * stride, random)),
        c(rows * stride, kNan),
        h(rows * stride, kNan),
        dc(RandomFloats(rows * stride, random)),
        dh_before(RandomFloats(rows * stride, random)),
        h_bf16(rows * stride, 0xffff),
        d_bf16(rows * kPanelColumns, 0xffff),
        h_pairs((rows + 1) / 2 * stride, 0xffffffff),
        d_pairs((rows + 1) / 2 * kPanelColumns, 0xffffffff) {}

  void Forward(void (*kernel)(const CellForwardArgs&), bool training, bool bf16) {
    CellForwardArgs args;
    args.gates = gates.data();
    args.h_before = h_before.data();
    args.c_before = c_before.data();
    args.c = c.data();
    if (training) args.tanh_c = tanh_c.data();
    args.h = h.data();
    if (bf16) args.h_bf16 = h_bf16.data();
    if (bf16 && training) args.h_pairs = h_pairs.data();
    args.stride = stride;
    args.rows = rows;
    args.vectors = vectors;
    kernel(args);
  }
  void Backward(void (*kernel)(const CellBackwardArgs&), bool first_step, bool bf16) {
    CellBackwardArgs args;
    args.gates = gates.data();
    args.dh = dh.data();
    args.dh_row = stride;
    args.h_before = h_before.data();
    args.c_before = c_before.data();
    args.tanh_c = tanh_c.data();
    args.dc = dc.data();
    if (!first_step) args.dh_before = dh_before.data();
    if (bf16) args.d_bf16 = d_bf16.data();
    if (bf16) args.d_pairs = d_pairs.data();
    args.stride = stride;
    args.rows = rows;
    args.vectors = vectors;
    kernel(args);
  }

  int rows, vectors;
  int64_t stride;
  std::vector<float> gates, h_before, c_before, tanh_c, dh, c, h, dc, dh_before;
  std::vector<uint16_t> h_bf16, d_bf16;
  std::vector<uint32_t> h_pairs, d_pairs;
};

void ExpectSameBits(const CellMemory& got, const CellMemory& wanted) {
  EXPECT_THAT(got.gates, HasTheBitsOf(wanted.gates));
  EXPECT_THAT(got.tanh_c, HasTheBitsOf(wanted.tanh_c));
  EXPECT_THAT(got.c, HasTheBitsOf(wanted.c));
  EXPECT_THAT(got.h, HasTheBitsOf(wanted.h));
  EXPECT_THAT(got.dc, HasTheBitsOf(wanted.dc));
  EXPECT_THAT(got.dh_before, HasTheBitsOf(wanted.dh_before));
  EXPECT_THAT(got.h_bf16, HasTheBitsOf(wanted.h_bf16));
  EXPECT_THAT(got.d_bf16, HasTheBitsOf(wanted.d_bf16));
  EXPECT_THAT(got.h_pairs, HasTheBitsOf(wanted.h_pairs));
  EXPECT_THAT(got.d_pairs, HasTheBitsOf(wanted.d_pairs));
}

struct CellKernels {
  const char* name;
  void (*Kernels::*forward)(const CellForwardArgs&);
  void (*Kernels::*backward)(const CellBackwardArgs&);
  bool vanilla;
};
constexpr CellKernels kCells[] = {
    {"lstm", &Kernels::lstm_forward, &Kernels::lstm_backward, false},
    {"gru", &Kernels::gru_forward, &Kernels::gru_backward, false},
    {"tanh", &Kernels::tanh_forward, &Kernels::tanh_backward, true},
    {"relu", &Kernels::relu_forward, &Kernels::relu_backward, true},
};

// Calls body(cell, memory) for each cell and some sizes; even ones with a `bf16` that pairs rows.
template <class Body>
void ForEachCell(const Body& body) {
  std::mt19937 random(7);
  for (const CellKernels& cell : kCells) {
    for (int vectors = 1; vectors <= (cell.vanilla ? 4 : 1); ++vectors) {
      for (const int rows : {1, 2, 5, 12}) {
        for (const bool flag : {false, true}) {
          const bool bf16 = rows % 2 == 0;
          SCOPED_TRACE(testing::Message() << cell.name << ", " << vectors << " vectors, " << rows
                                          << " rows, " << flag);
          body(cell, CellMemory(rows, vectors, random), flag, bf16);
        }
      }
    }
  }
}

TEST_P(CellTest, CellsForwardHaveTheBitsOfAvx2) {
  ForEachCell([&](const CellKernels& cell, CellMemory got, bool training, bool bf16) {
    CellMemory wanted = got;
    got.Forward(kernels_.*cell.forward, training, bf16);
    wanted.Forward(avx2_.*cell.forward, training, bf16);
    ExpectSameBits(got, wanted);
  });
}

TEST_P(CellTest, CellsBackwardHaveTheBitsOfAvx2) {
  ForEachCell([&](const CellKernels& cell, CellMemory got, bool first_step, bool bf16) {
    CellMemory wanted = got;
    got.Backward(kernels_.*cell.backward, first_step, bf16);
    wanted.Backward(avx2_.*cell.backward, first_step, bf16);
    ExpectSameBits(got, wanted);
  });
}

// [rows, stride] as bfloat16, and as pairs of rows; NaN where it is.
void ExpectRounded(const std::vector<float>& values, int64_t stride, int64_t columns,
                   const std::vector<uint16_t>& rows, const std::vector<uint32_t>& pairs) {
  for (size_t i = 0; i < values.size(); ++i) {
    const int64_t row = static_cast<int64_t>(i) / stride, column = static_cast<int64_t>(i) % stride;
    if (column >= columns) continue;
    ASSERT_EQ(rows[i], RoundToBf16(values[i])) << values[i];
    if (row % 2 == 1) {
      ASSERT_EQ(pairs[row / 2 * stride + column],
                Bf16Pair(values[i - static_cast<size_t>(stride)], values[i]));
    }
  }
}

TEST_P(CellTest, CellsWriteWhatTheyMakeAsBfloat16InBothLayouts) {
  ForEachCell([&](const CellKernels& cell, CellMemory memory, bool, bool bf16) {
    if (!bf16) return;
    const int64_t units = memory.vectors * kLanes;
    // Numbers on either side of a tie, and not a number.
    memory.h_before[3] = kNan;
    memory.gates[3] = kNan;
    memory.dh[0] = 1 + 0x1p-8f;
    CellMemory back = memory;
    memory.Forward(kernels_.*cell.forward, /*training=*/true, bf16);
    ExpectRounded(memory.h, memory.stride, units, memory.h_bf16, memory.h_pairs);
    back.Backward(kernels_.*cell.backward, /*first_step=*/false, bf16);
    ExpectRounded(back.gates, kPanelColumns, cell.vanilla ? units : kPanelColumns, back.d_bf16,
                  back.d_pairs);
  });
}

TEST_P(CellTest, NanPassesThroughEveryCell) {
  ForEachCell([&](const CellKernels& cell, CellMemory memory, bool training, bool bf16) {
    CellMemory back = memory;
    memory.gates[1] = kNan;
    memory.Forward(kernels_.*cell.forward, training, bf16);
    EXPECT_TRUE(std::isnan(memory.h[1]));
    EXPECT_FALSE(std::isnan(memory.h[0]));
    back.dh[1] = kNan;
    back.Backward(kernels_.*cell.backward, training, bf16);
    EXPECT_TRUE(std::isnan(back.gates[1]));
    EXPECT_FALSE(std::isnan(back.gates[0]));
  });
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, CellTest, testing::ValuesIn(SupportedInstructionSets()),
                         InstructionSetOf);

}  // namespace
}  // namespace derin::cpu
