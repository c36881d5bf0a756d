#include "model/backend/cuda/rnn.h"

#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/backend/cuda/cuda_queue.h"
#include "tests/model/backend/cuda/fake_gpu.h"

namespace derin::cuda {
namespace {

constexpr cudnnRNNAlgo_t kStandard = CUDNN_RNN_ALGO_STANDARD;

class RnnTest : public testing::Test {
 protected:
  FakeGpu gpu_{};
  std::shared_ptr<Device> device_ = *Device::Open(FakeGpu::calls(), 0);
  std::unique_ptr<CudaQueue> queue_ = *CudaQueue::Create(device_, QueuePriority::kTraining);
};

TEST_F(RnnTest, TheWeightMapTakesEveryParameterToAPlaceOfItsOwn) {
  for (const Cell cell : {Cell::kVanillaTanh, Cell::kVanillaRelu, Cell::kGru, Cell::kLstm}) {
    // Matrices of more than one chunk, and of a part of one.
    for (const Precision precision : {Precision::kF32, Precision::kTf32, Precision::kF16}) {
      const StackConfig config{
          .cell = cell, .layers = 2, .hidden = 40, .vocabulary = 28, .precision = precision};
      auto rnn = *Rnn::Create(*device_, queue_->cudnn(), config, kStandard);
      Buffer space = *device_->Allocate(ElementType::kByte, rnn->weight_bytes());
      const std::vector<Chunk> chunks = *rnn->WeightMap(queue_->cudnn(), space.view().data);
      std::set<int64_t> canonical, packed;
      for (const Chunk& chunk : chunks) {
        EXPECT_LE(chunk.count, Chunk::kMost);
        for (int i = 0; i < chunk.count; ++i) {
          EXPECT_TRUE(canonical.insert(chunk.canonical + i).second);
          EXPECT_TRUE(packed.insert(chunk.PackedAt(i)).second);
        }
      }
      const Slice last = StackSlices(config).back();
      EXPECT_EQ(static_cast<int64_t>(canonical.size()), last.offset + last.count);
      EXPECT_EQ(*canonical.rbegin(), last.offset + last.count - 1);
      EXPECT_LT(*packed.rbegin(), static_cast<int64_t>(rnn->weights()));
    }
  }
}

TEST_F(RnnTest, WeightsThatOverlapAreRefused) {
  const StackConfig config{.layers = 1, .hidden = 4, .vocabulary = 3};
  CudaCalls calls = FakeGpu::calls();
  static const CudnnCalls& fake = FakeGpu::calls().cudnn;
  calls.cudnn.GetRNNWeightParams = [](cudnnHandle_t handle, cudnnRNNDescriptor_t rnn, int32_t layer,
                                      size_t bytes, const void* space, int32_t linear,
                                      cudnnTensorDescriptor_t matrix, void** matrix_at,
                                      cudnnTensorDescriptor_t bias, void** bias_at) {
    const cudnnStatus_t status = fake.GetRNNWeightParams(handle, rnn, layer, bytes, space, linear,
                                                         matrix, matrix_at, bias, bias_at);
    *bias_at = *matrix_at;
    return status;
  };
  auto device = *Device::Open(calls, 0);
  auto queue = *CudaQueue::Create(device, QueuePriority::kTraining);
  auto rnn = *Rnn::Create(*device, queue->cudnn(), config, kStandard);
  Buffer space = *device->Allocate(ElementType::kByte, rnn->weight_bytes());
  const auto map = rnn->WeightMap(queue->cudnn(), space.view().data);
  EXPECT_EQ(map.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(map.status().message()), testing::HasSubstr("overlap"));
}

TEST_F(RnnTest, MatricesOfAnotherShapeAreRefused) {
  CudaCalls calls = FakeGpu::calls();
  static const CudnnCalls& fake = FakeGpu::calls().cudnn;
  calls.cudnn.GetTensorNdDescriptor = [](const cudnnTensorDescriptor_t tensor, int wanted,
                                         cudnnDataType_t* type, int* dimensions, int* sizes,
                                         int* strides) {
    const cudnnStatus_t status =
        fake.GetTensorNdDescriptor(tensor, wanted, type, dimensions, sizes, strides);
    std::swap(sizes[1], sizes[2]);
    return status;
  };
  auto device = *Device::Open(calls, 0);
  auto queue = *CudaQueue::Create(device, QueuePriority::kTraining);
  auto rnn = *Rnn::Create(*device, queue->cudnn(), {.hidden = 4, .vocabulary = 3}, kStandard);
  Buffer space = *device->Allocate(ElementType::kByte, rnn->weight_bytes());
  EXPECT_THAT(std::string(rnn->WeightMap(queue->cudnn(), space.view().data).status().message()),
              testing::HasSubstr("got a matrix [3, 4]"));
}

TEST_F(RnnTest, AFailureNamesTheCall) {
  gpu_.FailNext("cudnnSetRNNDescriptor_v8", CUDNN_STATUS_NOT_SUPPORTED);
  EXPECT_THAT(
      std::string(
          Rnn::Create(*device_, queue_->cudnn(), {.vocabulary = 3}, kStandard).status().message()),
      testing::StartsWith("cudnnSetRNNDescriptor_v8: "));
  auto rnn = *Rnn::Create(*device_, queue_->cudnn(), {.vocabulary = 3}, kStandard);
  gpu_.FailNext("cudnnSetRNNDataDescriptor", CUDNN_STATUS_BAD_PARAM);
  EXPECT_THAT(std::string(rnn->MakeWindow(queue_->cudnn(), 2, 2).status().message()),
              testing::StartsWith("cudnnSetRNNDataDescriptor: "));
}

}  // namespace
}  // namespace derin::cuda
