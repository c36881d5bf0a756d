// Windows without cuDNN against the reference in f64, in each type and for each of the shapes that
// are compiled.

#include "tests/model/backend/cpu/random_stack.h"

namespace derin::cuda {
namespace {

struct Shape {
  int layers, hidden, batch, steps;
  const char* choice = "own-kernels";
  double dropout = 0;
};

void PrintTo(const Shape& shape, std::ostream* out) {
  *out << shape.layers << " x " << shape.hidden << ", batch " << shape.batch << ", " << shape.steps
       << " steps, dropout " << shape.dropout;
}

class LstmWindowsParityTest : public testing::TestWithParam<Shape> {};

TEST_P(LstmWindowsParityTest, EverythingIsAsTheReferenceHasIt) {
  const auto [layers, hidden, batch, steps, choice, dropout] = GetParam();
  std::mt19937 random(7);
  cpu::RandomStack stack({.layers = layers, .hidden = hidden, .vocabulary = 11}, batch, steps,
                         random);
  stack.dropout = dropout;
  const DeviceModel::Pass wanted = stack.Run({"reference", Precision::kF64});
  for (Engine engine : AllEngines()) {
    // From step to step the types differ in nothing that depends on the size.
    if (hidden > 64 && engine.precision != Precision::kF32) continue;
    engine.choice = choice;
    SCOPED_TRACE(EngineName(engine));
    stack.ExpectParity(engine, wanted);
  }
}

// A block has 4, 8 or 16 sequences and 16 units up to 256 hidden, 8 or 16 sequences and 16 units up
// to 512, and 32 sequences and 8 units beyond. The last ones are computed step by step.
INSTANTIATE_TEST_SUITE_P(
    Shapes, LstmWindowsParityTest,
    testing::Values(Shape{2, 4, 1, 3}, Shape{3, 36, 5, 4}, Shape{2, 256, 33, 2},
                    Shape{1, 256, 65, 2}, Shape{1, 260, 31, 2}, Shape{1, 512, 33, 1},
                    Shape{2, 516, 3, 2}, Shape{1, 1024, 32, 2},
                    Shape{1, 1028, 2, 2, "step-products"}, Shape{3, 38, 5, 4, "step-products"},
                    Shape{4, 6, 2, 11, "step-products"}, Shape{3, 36, 5, 4, "own-kernels", 0.3},
                    Shape{3, 38, 5, 4, "step-products", 0.3},
                    Shape{4, 6, 2, 11, "step-products", 0.3}));

}  // namespace
}  // namespace derin::cuda
