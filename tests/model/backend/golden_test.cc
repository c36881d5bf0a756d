// Every backend against PyTorch: tests/golden/make_golden.py made the files.

#include <cmath>
#include <cstdlib>
#include <fstream>

#include <nlohmann/json.hpp>

#include "tests/model/backend/device_model.h"

namespace derin {
namespace {

struct GoldenCase {
  Engine engine;
  std::string cell;
};

void PrintTo(const GoldenCase& golden, std::ostream* out) {
  *out << EngineName(golden.engine) << ' ' << golden.cell;
}

// The golden files, which a program far from the sources is told of by its environment.
std::string GoldenFolder() {
  const char* elsewhere = std::getenv("DERIN_GOLDEN");
  return elsewhere == nullptr ? DERIN_GOLDEN : elsewhere;
}

std::vector<GoldenCase> AllCases() {
  std::vector<GoldenCase> cases;
  for (const Engine& engine : AllEngines()) {
    for (const char* cell : {"vanilla-tanh", "vanilla-relu", "gru", "lstm"}) {
      cases.push_back({engine, cell});
    }
  }
  return cases;
}

class Golden : public testing::TestWithParam<GoldenCase> {
 protected:
  Golden() {
    std::ifstream file(GoldenFolder() + "/" + GetParam().cell + ".json");
    golden_ = nlohmann::json::parse(file);
    config_ = {.cell = *ParseCell(GetParam().cell),
               .layers = golden_["layers"],
               .hidden = golden_["hidden"],
               .vocabulary = golden_["vocabulary"]};
    model_ = std::make_unique<DeviceModel>(GetParam().engine, config_, int(golden_["steps"]),
                                           int(golden_["batch"]));
    model_->SetParameters(ByName(model_->layout(), golden_["parameters"]));
  }

  // A flat buffer put together from tensors by name.
  static std::vector<double> ByName(const ParameterLayout& layout, const nlohmann::json& tensors) {
    std::vector<double> flat;
    for (const Slice& slice : layout.slices()) {
      const std::vector<double> values = tensors.at(slice.name);
      EXPECT_EQ(static_cast<int64_t>(values.size()), slice.count) << slice.name;
      flat.insert(flat.end(), values.begin(), values.end());
    }
    return flat;
  }
  std::vector<double> Values(const char* key) { return golden_[key]; }

  double tolerance() const { return Tolerance(GetParam().engine); }

  // One window of `model` gives what `wanted` has.
  void ExpectPass(DeviceModel& model, const nlohmann::json& wanted) {
    const DeviceModel::Pass pass =
        model.Run(golden_["tokens"], golden_["targets"], Values("state_in"));
    EXPECT_LT(RelativeError(pass.logits, wanted["logits"]), tolerance());
    EXPECT_LT(RelativeError(pass.state_out, wanted["state_out"]), tolerance());
    EXPECT_NEAR(pass.loss() / wanted["loss"].get<double>(), 1, tolerance());
    for (const Slice& slice : model.layout().slices()) {
      const auto begin = pass.gradients.begin() + slice.offset;
      EXPECT_LT(RelativeError({begin, begin + slice.count}, wanted["gradients"].at(slice.name)),
                tolerance())
          << slice.name;
    }
  }

  void ExpectLosses(const char* name, OptimizerConfig config) {
    const nlohmann::json wanted = golden_[name];
    config.clip = wanted["clip"];
    config.momentum = wanted.value("momentum", 0.0);
    config.weight_decay = wanted.value("weight_decay", 0.0);
    std::vector<double> state = Values("state_in"), losses;
    for (int step = 0; step < 10; ++step) {
      const DeviceModel::Pass pass = model_->Run(golden_["tokens"], golden_["targets"], state);
      losses.push_back(pass.loss());
      state = pass.state_out;
      model_->Update(config, wanted["lr"]);
    }
    EXPECT_LT(RelativeError(losses, wanted["losses"]), tolerance())
        << testing::PrintToString(losses);
  }

  nlohmann::json golden_;
  StackConfig config_;
  std::unique_ptr<DeviceModel> model_;
};

TEST_P(Golden, AWindowGivesLogitsLossStateAndEveryGradient) { ExpectPass(*model_, golden_); }

TEST_P(Golden, DropoutGivesLogitsLossStateAndEveryGradient) {
  const nlohmann::json& wanted = golden_["dropout"];
  DeviceModel model(GetParam().engine, config_, int(golden_["steps"]), int(golden_["batch"]), 1,
                    wanted["share"]);
  model.SetParameters(ByName(model.layout(), golden_["parameters"]));
  model.SetDropout(std::stoull(std::string(wanted["seed"])),
                   std::stoull(std::string(wanted["step"])));
  ExpectPass(model, wanted);
}

TEST_P(Golden, AnEmbeddingGivesLogitsLossStateAndEveryGradient) {
  for (const bool tied : {false, true}) {
    SCOPED_TRACE(tied ? "the head is tied" : "the head is its own");
    const nlohmann::json& wanted = golden_[tied ? "tied" : "embedding"];
    StackConfig config = config_;
    config.embedding = wanted["embedding"];
    config.tied_head = tied;
    DeviceModel model(GetParam().engine, config, int(golden_["steps"]), int(golden_["batch"]));
    nlohmann::json parameters = golden_["parameters"];
    parameters.update(wanted["parameters"]);
    model.SetParameters(ByName(model.layout(), parameters));
    ExpectPass(model, wanted);
  }
}

TEST_P(Golden, TenStepsOfSgdGiveTheSameLosses) {
  ExpectLosses("sgd", {.kind = OptimizerKind::kSgd});
}

TEST_P(Golden, TenStepsOfMomentumGiveTheSameLosses) {
  ExpectLosses("momentum", {.kind = OptimizerKind::kMomentum});
}

TEST_P(Golden, TenStepsOfAdamGiveTheSameLosses) {
  ExpectLosses("adam", {.kind = OptimizerKind::kAdam});
}

TEST_P(Golden, TenStepsOfAdamWGiveTheSameLosses) {
  ExpectLosses("adamw", {.kind = OptimizerKind::kAdam});
}

INSTANTIATE_TEST_SUITE_P(AllBackends, Golden, testing::ValuesIn(AllCases()), [](const auto& info) {
  std::string name = EngineName(info.param.engine) + "_" + info.param.cell;
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
});

// A program may have no such engine on this machine.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Golden);

}  // namespace
}  // namespace derin
