#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/backend/backend.h"
#include "model/network/parameters.h"
#include "tests/model/backend/engines.h"

namespace derin {

// ||got - wanted|| / ||wanted||; infinite when anything is not finite.
inline double RelativeError(const std::vector<double>& got, const std::vector<double>& wanted) {
  EXPECT_EQ(got.size(), wanted.size());
  double difference = 0, norm = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (!std::isfinite(got[i])) return std::numeric_limits<double>::infinity();
    difference += (got[i] - wanted[i]) * (got[i] - wanted[i]);
    norm += wanted[i] * wanted[i];
  }
  return std::sqrt(difference) / std::max(std::sqrt(norm), 1e-30);
}

// A model on a backend, driven operation by operation with doubles on the host. Every output is NaN
// before it is written.
class DeviceModel {
 public:
  DeviceModel(const Engine& engine, StackConfig config, int steps, int batch, int rows = 1,
              double dropout = 0)
      : backend_(MakeBackend(engine)),
        queue_(*backend_->NewQueue(QueuePriority::kTraining)),
        config_([&] {
          config.precision = engine.precision;
          return config;
        }()),
        layout_(config_),
        steps_(steps),
        batch_(batch),
        stack_(*backend_->NewStack(config_,
                                   {.steps = steps,
                                    .batch = batch,
                                    .training = true,
                                    .step_rows = rows,
                                    .dropout = dropout},
                                   engine.choice)),
        parameters_(Reals(layout_.count())),
        gradients_(Reals(layout_.count())),
        moment1_(Reals(layout_.count(), 0)),
        moment2_(Reals(layout_.count(), 0)),
        optimizer_step_(*backend_->Allocate(ElementType::kI64, 1)),
        dropout_(*backend_->Allocate(ElementType::kI64, dropout > 0 ? 2 : 0)),
        loss_scale_(
            *backend_->Allocate(ElementType::kF64, NeedsLossScale(config_.precision) ? 2 : 0)) {
    const double first[] = {LossScale::kFirst, 0};
    if (!loss_scale_.view().empty()) backend_->Upload(*queue_, first, loss_scale_.view());
  }

  Backend& backend() { return *backend_; }
  Queue& queue() { return *queue_; }
  RecurrentStack& stack() { return *stack_; }
  const ParameterLayout& layout() const { return layout_; }
  const StackConfig& config() const { return config_; }

  // A buffer of the model's real type, full of `value`.
  Buffer Reals(size_t count, double value = std::numeric_limits<double>::quiet_NaN()) {
    Buffer buffer = *backend_->Allocate(StateType(config_.precision), count);
    Write(buffer.view(), std::vector<double>(count, value));
    return buffer;
  }
  Buffer Integers(const std::vector<int32_t>& values) {
    Buffer buffer = *backend_->Allocate(ElementType::kI32, values.size());
    backend_->Upload(*queue_, values.data(), buffer.view());
    return buffer;
  }
  void Write(View view, const std::vector<double>& values) {
    if (view.type == ElementType::kF64) return backend_->Upload(*queue_, values.data(), view);
    const std::vector<float> narrow(values.begin(), values.end());
    backend_->Upload(*queue_, narrow.data(), view);
  }
  std::vector<double> Read(View view) {
    std::vector<double> values(view.count);
    if (view.type == ElementType::kF64) {
      EXPECT_TRUE(backend_->Download(*queue_, view, values.data()).ok());
      return values;
    }
    std::vector<float> narrow(view.count);
    EXPECT_TRUE(backend_->Download(*queue_, view, narrow.data()).ok());
    return {narrow.begin(), narrow.end()};
  }

  void SetParameters(const std::vector<double>& values) {
    Write(parameters_.view(), values);
    Repack();
  }
  // What the next windows for training drop, where the model has dropout.
  void SetDropout(uint64_t seed, uint64_t step) {
    const uint64_t values[] = {seed, step};
    backend_->Upload(*queue_, values, dropout_.view());
  }
  View parameters() const { return parameters_.view(); }
  View gradients() const { return gradients_.view(); }
  View loss_scale() const { return loss_scale_.view(); }
  HeadViews Head(View flat) const {
    const Slice &weight = layout_.head_weight(), &bias = layout_.head_bias();
    return {flat.Slice(weight.offset, weight.count), flat.Slice(bias.offset, bias.count)};
  }

  struct Pass {
    std::vector<double> top, logits, state_out, gradients;
    double nats = 0, counted = 0;
    double loss() const { return nats / counted; }
  };
  // One window forward and, with `backward`, back.
  Pass Run(const std::vector<int32_t>& tokens, const std::vector<int32_t>& targets,
           const std::vector<double>& state_in, bool backward = true) {
    const size_t rows = size_t(steps_) * batch_;
    Buffer ids = Integers(tokens), wanted = Integers(targets);
    Buffer in = Reals(state_in.size()), out = Reals(state_in.size());
    Buffer top = Reals(rows * config_.hidden), d_top = Reals(rows * config_.hidden),
           logits = Reals(rows * config_.vocabulary);
    Buffer loss = *backend_->Allocate(ElementType::kF64, 2);
    Write(in.view(), state_in);
    Write(gradients_.view(), std::vector<double>(layout_.count(), NAN));
    stack_->Forward(*queue_, backward ? ForwardMode::kTraining : ForwardMode::kInference, steps_,
                    batch_, ids.view(), in.view(), out.view(), top.view(), dropout_.view());
    backend_->Logits(*queue_, top.view(), Head(parameters_.view()), logits.view());
    if (backward) {
      backend_->ProjectAndLoss(*queue_, top.view(), Head(parameters_.view()), wanted.view(),
                               loss.view(), d_top.view(), Head(gradients_.view()));
      stack_->Backward(*queue_, d_top.view(), loss_scale_.view(),
                       gradients_.view().Slice(0, layout_.stack_count()));
    } else {
      backend_->ProjectAndLoss(*queue_, top.view(), Head(parameters_.view()), wanted.view(),
                               loss.view(), View{}, HeadViews{});
    }
    const std::vector<double> figures = Read(loss.view());
    return {Read(top.view()),        Read(logits.view()), Read(out.view()),
            Read(gradients_.view()), figures[0],          figures[1]};
  }

  // One optimiser step with the gradients of the last Run.
  void Update(const OptimizerConfig& config, double learning_rate) {
    Buffer rate = *backend_->Allocate(ElementType::kF64, 1);
    Buffer norm = *backend_->Allocate(ElementType::kF64, 1);
    backend_->Upload(*queue_, &learning_rate, rate.view());
    backend_->SquaredNorm(*queue_, gradients_.view(), norm.view());
    backend_->Update(*queue_, config,
                     {parameters_.view(), gradients_.view(), moment1_.view(), moment2_.view(),
                      rate.view(), norm.view(), optimizer_step_.view(), loss_scale_.view()});
    Repack();
  }

 private:
  void Repack() {
    stack_->SetParameters(*queue_, parameters_.view().Slice(0, layout_.stack_count()));
  }

  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Queue> queue_;
  StackConfig config_;
  ParameterLayout layout_;
  int steps_, batch_;
  std::unique_ptr<RecurrentStack> stack_;
  Buffer parameters_, gradients_, moment1_, moment2_, optimizer_step_, dropout_, loss_scale_;
};

// The start that training uses, as doubles.
inline std::vector<double> InitialValues(const StackConfig& config, uint64_t seed) {
  const Parameters parameters = InitialParameters(config, seed);
  return {parameters.values.begin(), parameters.values.end()};
}

}  // namespace derin
