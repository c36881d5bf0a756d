// A derind that is killed while it trains, and the weights that come out in the end.

#include <gmock/gmock.h>
#include <sched.h>
#include <signal.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "derind_training.h"

namespace derin::server {
namespace {

struct KilledTrainingTest : DerindTrainingTest {
  using Channel = std::shared_ptr<grpc::Channel>;
  // Kills a derind that trains `spec` on what was `upload`ed, once it has a checkpoint, and has
  // another one go on and train the same from its beginning. `compare` looks further at that one.
  void ExpectTheSameWeights(
      const v1::TrainingSpec& spec, const std::function<void(const Channel&)>& upload,
      const std::function<void(const Channel&)>& compare = [](const Channel&) {}) {
    {
      Derind derind(Arguments());
      derind.AwaitOutput("serves on");
      const Channel channel = NewChannel();
      upload(channel);
      Create(channel, "killed", spec);
      while (Checkpoints(channel, "killed") == 0) sched_yield();
      derind.Kill(SIGKILL);
      EXPECT_EQ(derind.ExitStatus(), -1);
    }
    Derind derind(Arguments());
    derind.AwaitOutput("serves on");
    const Channel channel = NewChannel();
    Create(channel, "whole", spec);
    int64_t resumed_at = 0;
    Watch(channel, "killed", [&](const v1::WatchTrainingJobResponse& response) {
      if (response.event().kind() == v1::TrainingEvent::KIND_RESUMED) {
        resumed_at = response.event().step();
      }
      return false;
    });
    EXPECT_GT(resumed_at, 0);
    Watch(channel, "whole", [](const auto&) { return false; });
    EXPECT_NE(WeightsOf(channel, "whole"), "");
    EXPECT_EQ(WeightsOf(channel, "killed"), WeightsOf(channel, "whole"));
    compare(channel);
  }
};

TEST_F(KilledTrainingTest, GoesOnFromItsLastCheckpointToTheSameWeights) {
  ExpectTheSameWeights(
      SpecOf(), [this](const Channel& channel) { Upload(channel); },
      [this](const Channel& channel) {
        // Nor does the curve show that it was killed.
        const auto killed = CurveOf(channel, "killed"), whole = CurveOf(channel, "whole");
        ASSERT_GT(whole.training_metrics_size(), 0);
        ASSERT_EQ(killed.training_metrics_size(), whole.training_metrics_size());
        for (int i = 0; i < whole.training_metrics_size(); ++i) {
          EXPECT_EQ(killed.training_metrics(i).step(), whole.training_metrics(i).step());
          EXPECT_NEAR(killed.training_metrics(i).training_loss(),
                      whole.training_metrics(i).training_loss(), 1e-9);
        }
      });
}

// Words of two texts, of one of which they hold out whole documents: all that is not kept and has
// to be made from the texts again.
TEST_F(KilledTrainingTest, SeveralTextsOfWordsAreReadAgainAsTheyWere) {
  v1::TrainingSpec spec = SpecOf(/*epochs=*/2000);
  spec.mutable_config()->set_tokenization(v1::TOKENIZATION_WORDS);
  spec.mutable_config()->set_layers(2);
  spec.mutable_config()->set_embedding(8);
  spec.set_dropout(0.2);
  spec.set_corpus("corpora/shelf");
  v1::WeightedCorpus& more = *spec.add_more_corpora();
  more.set_corpus("corpora/notes");
  more.set_weight(3);
  spec.set_batch(4);
  spec.set_steps(5);
  spec.set_max_tokens(300);
  spec.set_validation_split(v1::VALIDATION_SPLIT_DOCUMENTS);
  std::string sea, shore, note;
  for (int i = 0; i < 40; ++i) sea += " the sea rises and the lamp turns" + std::to_string(i % 7);
  for (int i = 0; i < 20; ++i) shore += " a boat is on the shore" + std::to_string(i % 5);
  for (int i = 0; i < 30; ++i) note += " oil for the lamp, and rope" + std::to_string(i % 3);
  const std::vector<Document> shelf = {{"sea", sea}, {"shore", shore}, {"late", "never read"}};
  const std::vector<Document> notes = {{"first", note}, {"second", note + " at sea"}};
  ExpectTheSameWeights(spec, [&](const Channel& channel) {
    Upload(channel, "shelf", shelf);
    Upload(channel, "notes", notes);
  });
}

// Six trainings that have every pair of: a cell and an optimiser, schedule, precision or partition;
// and any two of these four.
std::vector<v1::TrainingSpec> AllPairs(bool has_bf16, v1::TrainingSpec spec) {
  struct Choice {
    v1::Cell cell;
    bool adamw, cosine, bf16, random;
  };
  const Choice choices[] = {{v1::CELL_VANILLA_TANH, false, false, false, false},
                            {v1::CELL_VANILLA_TANH, true, true, true, true},
                            {v1::CELL_GRU, false, true, true, false},
                            {v1::CELL_GRU, true, false, false, true},
                            {v1::CELL_LSTM, false, false, true, true},
                            {v1::CELL_LSTM, true, true, false, false}};
  std::vector<v1::TrainingSpec> specs;
  for (const Choice& choice : choices) {
    v1::TrainingSpec& one = specs.emplace_back(spec);
    one.mutable_config()->set_cell(choice.cell);
    const bool bf16 = choice.bf16 && has_bf16;
    one.mutable_config()->set_precision(bf16 ? v1::PRECISION_BF16 : v1::PRECISION_F32);
    if (choice.adamw) {
      one.mutable_optimizer()->mutable_adamw();
    } else {
      one.mutable_optimizer()->mutable_sgd()->set_momentum(0.5);
      one.mutable_learning_rate()->set_peak(0.1);
    }
    one.mutable_learning_rate()->set_schedule(choice.cosine ? v1::LearningRate::SCHEDULE_COSINE
                                                            : v1::LearningRate::SCHEDULE_CONSTANT);
    one.set_partition(choice.random ? v1::PARTITION_RANDOM : v1::PARTITION_SEQUENTIAL);
  }
  return specs;
}

// Each is killed shortly after it went on from a pause, where its checkpoint is.
TEST_F(KilledTrainingTest, EveryPairOfSettingsEndsWithTheSameWeights) {
  std::vector<v1::TrainingSpec> specs;
  const auto name = [](const char* kind, size_t i) { return kind + std::to_string(i); };
  // Nothing but the end of the job before ends a watch of it.
  const auto to_its_end = [](const auto&) { return false; };
  for (size_t i = 0; i == 0 || i < specs.size(); ++i) {
    Derind derind(Arguments());
    derind.AwaitOutput("serves on");
    const auto channel = NewChannel();
    if (i == 0) {
      Upload(channel);
      specs = AllPairs(Offers(channel, v1::PRECISION_BF16), SpecOf(/*epochs=*/3000));
    } else {
      Watch(channel, name("killed", i - 1), to_its_end);
    }
    const std::string id = name("killed", i);
    Create(channel, id, specs[i]);
    AwaitProgress(channel, id, /*attempt=*/1);
    Pause(channel, id);
    Resume(channel, id);
    AwaitProgress(channel, id, /*attempt=*/2);
    derind.Kill(SIGKILL);
    EXPECT_EQ(derind.ExitStatus(), -1);
  }
  Derind derind(Arguments());
  derind.AwaitOutput("serves on");
  const auto channel = NewChannel();
  for (size_t i = 0; i < specs.size(); ++i) Create(channel, name("whole", i), specs[i]);
  for (size_t i = 0; i < specs.size(); ++i) {
    SCOPED_TRACE(specs[i].ShortDebugString());
    int attempts = 0;
    Watch(channel, name("killed", i), [&](const v1::WatchTrainingJobResponse& response) {
      attempts = std::max(attempts, response.event().attempt());
      return false;
    });
    EXPECT_EQ(attempts, 3) << "it was over before it was killed";
    Watch(channel, name("whole", i), to_its_end);
    EXPECT_NE(WeightsOf(channel, name("whole", i)), "");
    EXPECT_EQ(WeightsOf(channel, name("killed", i)), WeightsOf(channel, name("whole", i)));
  }
}

}  // namespace
}  // namespace derin::server
