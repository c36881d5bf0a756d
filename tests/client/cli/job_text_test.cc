#include "client/cli/job_text.h"

#include <gtest/gtest.h>

#include <sstream>

namespace derin::cli {
namespace {

client::TrainingJob Example() {
  client::TrainingJob job;
  job.name = "trainingJobs/x";
  job.state = client::JobState::kRunning;
  job.parameter_count = 800284;
  job.create_time = absl::FromUnixSeconds(0);
  client::TrainingSpec& spec = job.spec;
  spec.corpus = "corpora/tm";
  spec.model = "models/tm";
  spec.config = {.cell = client::Cell::kLstm,
                 .layers = 2,
                 .hidden = 256,
                 .tokenization = client::Tokenization::kCharacters,
                 .precision = client::Precision::kBf16};
  spec.batch = 32;
  spec.steps = 35;
  spec.partition = client::Partition::kSequential;
  spec.optimizer = client::Sgd{};
  spec.learning_rate.peak = 2;
  spec.clip = 1;
  spec.epochs = 500;
  spec.seed = 7;
  return job;
}

TEST(JobText, NamesTheNetworkByCellLayersAndUnits) {
  EXPECT_EQ(NetworkText(Example().spec.config), "lstm 2 x 256");
  client::ModelConfig config = Example().spec.config;
  config.embedding = 256;
  EXPECT_EQ(NetworkText(config), "lstm 2 x 256, embedding 256");
  config.tied_head = true;
  EXPECT_EQ(NetworkText(config), "lstm 2 x 256, embedding 256 tied");
}

TEST(JobText, SaysOnlyWhatTheOptimizerDoes) {
  client::TrainingSpec spec = Example().spec;
  EXPECT_EQ(OptimizerText(spec), "sgd, rate 2, clip 1");
  spec.optimizer = client::Adam{};
  spec.learning_rate = {.peak = 0.001,
                        .schedule = client::LearningRate::Schedule::kCosine,
                        .warmup_steps = 1000,
                        .final_share = 0.1};
  EXPECT_EQ(OptimizerText(spec),
            "adam, rate 0.001 cosine to 0.1 of it, warm-up 1,000 steps, clip 1");
}

TEST(JobText, SaysWhatEndsATraining) {
  client::TrainingSpec spec = Example().spec;
  spec.max_steps = 0;
  spec.max_training_time = absl::ZeroDuration();
  spec.target_perplexity = 0;
  spec.patience_epochs = 0;
  EXPECT_EQ(EndsText(spec), "after 500 epochs");
  spec.max_steps = 12000;
  spec.max_training_time = absl::Minutes(90);
  spec.target_perplexity = 1.5;
  spec.patience_epochs = 3;
  EXPECT_EQ(EndsText(spec),
            "after 500 epochs or 12,000 steps or 1h30m, at perplexity 1.5, after 3 epochs without "
            "a better one");
}

TEST(JobText, SaysWhichWordsAModelKnows) {
  client::TrainingJob job = Example();
  std::ostringstream out;
  PrintSpec(job, out);
  EXPECT_EQ(out.str().find("words"), std::string::npos);
  job.spec.config.tokenization = client::Tokenization::kWords;
  job.spec.words = client::WordSettings{.max_vocabulary = 10000, .min_count = 2};
  PrintSpec(job, out);
  EXPECT_NE(out.str().find("lstm 2 x 256 on words"), std::string::npos) << out.str();
  EXPECT_NE(
      out.str().find("10,000 known, <unk> included, seen 2 times or more; perplexity is per word"),
      std::string::npos)
      << out.str();
}

TEST(JobText, NamesEachTextWithItsWeight) {
  client::TrainingSpec spec = Example().spec;
  EXPECT_EQ(CorporaText(spec), "corpora/tm");
  spec.corpus_weight = 0.5;
  spec.more_corpora = {{.corpus = "corpora/a", .weight = 3}, {.corpus = "corpora/b"}};
  EXPECT_EQ(CorporaText(spec), "corpora/tm = 0.5, corpora/a = 3, corpora/b = 1");
}

TEST(JobText, PrintsASpecification) {
  client::TrainingJob job = Example();
  job.spec.max_tokens = 10000;
  job.spec.validation_share = 0.1;
  job.spec.validation_split = client::ValidationSplit::kBlocks;
  job.spec.validation_block = 1024;
  job.spec.validation_interval = 500;
  job.spec.checkpoint_interval = absl::Seconds(90);
  job.spec.checkpoints_to_keep = 3;
  job.spec.best_checkpoints_to_keep = 2;
  job.spec.dropout = 0.25;
  job.tokens_per_epoch = 8960;
  job.estimated_training_time = absl::Minutes(65);
  std::ostringstream out;
  PrintSpec(job, out);
  EXPECT_EQ(out.str(),
            "corpus       corpora/tm, 10,000 tokens, 10 % held out in blocks of 1,024, measured "
            "every 500 "
            "steps\n"
            "model        models/tm\n"
            "network      lstm 2 x 256 on characters, 800,284 parameters\n"
            "dropout      0.25\n"
            "precision    bf16\n"
            "batches      32 rows x 35 steps, sequential\n"
            "optimizer    sgd, rate 2, clip 1\n"
            "epoch        8,960 tokens\n"
            "ends         after 500 epochs\n"
            "time         about 1h05m\n"
            "seed         7\n"
            "saved        every 1m30s, the newest 3 kept, and the best 2\n");
}

TEST(JobText, SaysWhatATrainingBeginsWith) {
  client::TrainingJob job = Example();
  const auto start = [&job] {
    std::ostringstream out;
    PrintSpec(job, out);
    const size_t at = out.str().find("start ");
    return at == std::string::npos ? "" : out.str().substr(at, out.str().find('\n', at) - at);
  };
  EXPECT_EQ(start(), "");
  job.spec.start_from = client::StartFrom{.training_checkpoint = "trainingJobs/a/checkpoints/7"};
  EXPECT_EQ(start(), "start        trainingJobs/a/checkpoints/7");
  job.spec.start_from->weights_only = true;
  EXPECT_EQ(start(), "start        trainingJobs/a/checkpoints/7, weights only");
  job.spec.start_from = client::StartFrom{.model_version = "models/m/versions/2"};
  EXPECT_EQ(start(), "start        models/m/versions/2");
}

TEST(JobText, PrintsWhereAJobStands) {
  client::TrainingJob job = Example();
  job.progress.emplace();
  job.progress->epoch = 3;
  job.progress->epochs = 500;
  job.progress->step = 30;
  job.progress->steps = 5000;
  job.progress->training_perplexity = 12.5;
  job.progress->epoch_training_perplexity = 13.25;
  std::ostringstream out;
  PrintJob(job, absl::UTCTimeZone(), out);
  EXPECT_NE(out.str().find("state        running\n"), std::string::npos) << out.str();
  EXPECT_NE(out.str().find("progress     epoch 3/500, step 30/5000\n"), std::string::npos);
  EXPECT_NE(out.str().find("perplexity   12.50 (this epoch), 13.25 (last whole epoch)\n"),
            std::string::npos);
  EXPECT_EQ(out.str().find("started"), std::string::npos);
}

TEST(JobText, SaysWhyAJobIsOver) {
  client::TrainingJob job = Example();
  job.state = client::JobState::kFailed;
  job.reason = "DIVERGED";
  job.message = "the loss is not finite";
  std::ostringstream out;
  PrintJob(job, absl::UTCTimeZone(), out);
  EXPECT_NE(out.str().find("failed, DIVERGED: the loss is not finite\n"), std::string::npos);
}

}  // namespace
}  // namespace derin::cli
