// The products of panels.

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "model/backend/cpu/bf16.h"
#include "tests/model/backend/cpu/kernels_test.h"
#include "tests/model/backend/cpu/random_values.h"

namespace derin::cpu {
namespace {

using ProductTest = KernelsTest;

enum class Start { kZeros, kBias, kContinued, kRowsOfATable };

constexpr Start kStarts[] = {Start::kZeros, Start::kBias, Start::kContinued, Start::kRowsOfATable};
constexpr int kTableRows = 5;

// A product of random shape in memory that is NaN wherever nothing of it lies, but for a table that
// it may start from.
struct RandomProduct {
  RandomProduct(int rows, int columns, bool along_rows, Start start, std::mt19937& random) {
    const int k = RandomInteger(1, 40, random), blocks = RandomInteger(1, 3, random);
    args.rows = rows;
    args.columns = columns;
    args.block = k;
    args.k = int64_t{k} * (blocks - 1) + RandomInteger(1, k, random);

    const int gap = RandomInteger(0, 3, random);
    args.a_row = along_rows ? 1 : k + gap;
    args.a_k = along_rows ? rows + gap : 1;
    const ptrdiff_t block_size = along_rows ? args.a_k * k : args.a_row * rows;
    args.a_block = block_size + RandomInteger(0, 5, random);
    a.assign(args.a_block * blocks, kNan);
    for (int64_t i = 0; i < args.k; ++i) {
      for (int r = 0; r < rows; ++r) A(r, i) = RandomFloats(1, random)[0];
    }

    args.b_k = columns + RandomInteger(0, 9, random);
    b.assign(args.b_k * args.k + kPanelColumns, kNan);  // readable for whole vectors
    for (int64_t i = 0; i < args.k; ++i) {
      const std::vector<float> row = RandomFloats(columns, random);
      std::copy(row.begin(), row.end(), b.begin() + i * args.b_k);
    }

    args.c_row = columns + RandomInteger(0, 20, random);
    c.assign(args.c_row * rows, kNan);
    if (start == Start::kBias) bias = RandomFloats(columns, random);
    if (start == Start::kRowsOfATable) {
      args.start_row = columns + RandomInteger(0, 9, random);
      bias = RandomFloats(args.start_row * kTableRows, random);
      for (int r = 0; r < rows; ++r) {
        start_rows.push_back(RandomInteger(0, kTableRows - 1, random));
      }
    }
    if (start == Start::kContinued) {
      for (int r = 0; r < rows; ++r) {
        const std::vector<float> row = RandomFloats(columns, random);
        std::copy(row.begin(), row.end(), c.begin() + r * args.c_row);
      }
      args.start_row = args.c_row;
    }
    from_c = start == Start::kContinued;
  }

  float& A(int64_t r, int64_t i) {
    return a[r * args.a_row + i / args.block * args.a_block + i % args.block * args.a_k];
  }

  float StartOf(int64_t r, int column) const {
    if (from_c) return c[r * args.c_row + column];
    if (bias.empty()) return 0;
    return bias[(start_rows.empty() ? 0 : start_rows[r] * args.start_row) + column];
  }

  // All of C's memory after `product`.
  std::vector<float> Run(void (*product)(const ProductArgs&)) const {
    std::vector<float> result = c;
    ProductArgs with = args;
    with.a = a.data();
    with.b = b.data();
    with.c = result.data();
    with.start_rows = start_rows.empty() ? nullptr : start_rows.data();
    with.start = from_c ? result.data() : bias.empty() ? nullptr : bias.data();
    product(with);
    return result;
  }

  // And by the definition.
  std::vector<float> Wanted() {
    std::vector<float> result = c;
    for (int64_t r = 0; r < args.rows; ++r) {
      for (int column = 0; column < args.columns; ++column) {
        float& sum = result[r * args.c_row + column];
        sum = StartOf(r, column);
        for (int64_t i = 0; i < args.k; ++i) {
          sum = std::fma(A(r, i), b[i * args.b_k + column], sum);
        }
      }
    }
    return result;
  }

  ProductArgs args;
  std::vector<float> a, b, c, bias;  // in place of the bias the table, if there are start_rows
  std::vector<int32_t> start_rows;
  bool from_c;
};

TEST_P(ProductTest, AProductIsAChainOfFusedMultiplyAddsInTheOrderOfKAndWritesNothingElse) {
  std::mt19937 random(2);
  for (const bool along_rows : {false, true}) {
    for (const Start start : kStarts) {
      for (int rows = 1; rows <= 20; ++rows) {
        for (int columns = 1; columns <= kPanelColumns; ++columns) {
          RandomProduct product(rows, columns, along_rows, start, random);
          ASSERT_THAT(product.Run(kernels_.product), HasTheBitsOf(product.Wanted()))
              << rows << " rows, " << columns << " columns, k " << product.args.k << ", start "
              << static_cast<int>(start) << (along_rows ? ", along rows" : ", along k");
        }
      }
    }
  }
}

TEST_P(ProductTest, AProductOfNoRowsWritesNothing) {
  std::mt19937 random(3);
  RandomProduct product(1, 16, false, Start::kZeros, random);
  product.args.rows = 0;
  EXPECT_THAT(product.Run(kernels_.product), HasTheBitsOf(product.c));
}

// The same with words of two bfloat16.
TEST_P(ProductTest, AProductOfBfloat16PairsIsRightAndARowOfItIsThatOfTheRowAlone) {
  if (kernels_.product_bf16 == nullptr) GTEST_SKIP() << "this instruction set has none";
  std::mt19937 random(4);
  const auto pairs = [](std::vector<float>& words, std::mt19937& random) {
    std::vector<float> values(2 * words.size());
    for (size_t i = 0; i < words.size(); ++i) {
      if (std::isnan(words[i])) continue;
      const std::vector<float> two = RandomFloats(2, random);
      words[i] = std::bit_cast<float>(Bf16Pair(two[0], two[1]));
    }
  };
  const auto element = [](float word, int which) {
    const auto bits = std::bit_cast<uint32_t>(word);
    return static_cast<double>(std::bit_cast<float>(which == 0 ? bits << 16 : bits & 0xffff0000));
  };
  for (const bool along_rows : {false, true}) {
    for (const Start start : kStarts) {
      for (const int columns : {1, 15, 16, 17, 32, 48, 49, 64}) {
        const int rows = RandomInteger(1, 70, random);
        SCOPED_TRACE(testing::Message() << rows << " rows, " << columns << " columns");
        RandomProduct product(rows, columns, along_rows, start, random);
        pairs(product.a, random);
        pairs(product.b, random);
        const std::vector<float> got = product.Run(kernels_.product_bf16);
        for (int r = 0; r < rows; ++r) {
          for (int column = 0; column < product.args.c_row; ++column) {
            const int64_t at = r * product.args.c_row + column;
            if (column >= columns) {
              ASSERT_TRUE(std::isnan(got[at]));
              continue;
            }
            double sum = product.StartOf(r, column);
            for (int64_t i = 0; i < product.args.k; ++i) {
              for (const int which : {0, 1}) {
                sum += element(product.A(r, i), which) *
                       element(product.b[i * product.args.b_k + column], which);
              }
            }
            ASSERT_NEAR(got[at], sum, 1e-4);
          }
        }
        RandomProduct row = product;
        row.args.rows = 1;
        for (int r = 0; r < rows; ++r) {
          row.a.assign(product.a.begin() + r * product.args.a_row, product.a.end());
          if (!product.start_rows.empty()) row.start_rows = {product.start_rows[r]};
          row.c.assign(product.c.begin() + r * product.args.c_row,
                       product.c.begin() + (r + 1) * product.args.c_row);
          const auto begin = got.begin() + r * product.args.c_row;
          ASSERT_THAT(row.Run(kernels_.product_bf16),
                      HasTheBitsOf(std::vector<float>(begin, begin + product.args.c_row)));
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, ProductTest,
                         testing::ValuesIn(SupportedInstructionSets()), InstructionSetOf);

}  // namespace
}  // namespace derin::cpu
